#pragma once
// printf into a string of any length; the compiler checks the arguments. It knows no units.

#include <string>

namespace moesaic {

__attribute__((format(printf, 1, 2))) std::string formatted(const char* format, ...);

}  // namespace moesaic
