#pragma once
// Figures as text: printf into a string of any length, whose arguments the compiler checks; integers for people. It
// knows no units.

#include <cstdint>
#include <string>

namespace moesaic {

__attribute__((format(printf, 1, 2))) std::string formatted(const char* format, ...);

/// "1,234".
std::string with_commas(int64_t value);

}  // namespace moesaic
