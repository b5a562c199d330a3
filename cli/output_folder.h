#pragma once
// A folder that a verb writes.

#include <filesystem>
#include <string>

#include "core/schema/error.h"

namespace moesaic::cli {

/// Made before the work is done, so that a place that cannot be written is refused at once. Goes again where
/// nothing came to lie in it.
class OutputFolder {
 public:
  explicit OutputFolder(const std::string& path) : path_(path) {
    std::error_code error;
    made_ = std::filesystem::create_directories(path, error);
    if (error) throw InputError(path, "", "cannot be made: " + error.message(), "a folder that can be written");
  }
  ~OutputFolder() {
    std::error_code not_empty;
    if (made_) std::filesystem::remove(path_, not_empty);
  }
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

 private:
  std::string path_;
  bool made_ = false;
};

}  // namespace moesaic::cli
