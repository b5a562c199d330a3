#pragma once
// Where temporary files go. It makes and removes none.

#include <string>

namespace moesaic {

/// TMPDIR, or /tmp. InputError where that is no folder.
std::string temporary_folder();

}  // namespace moesaic
