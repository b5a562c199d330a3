#include "core/schema/temporary_folder.h"

#include <filesystem>

#include "core/schema/error.h"

namespace moesaic {

std::string temporary_folder() {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  if (error)
    throw InputError("TMPDIR", "", "is no folder for temporary files: " + error.message(), "",
                     "set TMPDIR to a folder that can be written, or unset it");
  return folder.string();
}

}  // namespace moesaic
