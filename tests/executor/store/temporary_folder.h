#pragma once
// A folder that lives as long as the object. It is made where temporary files go, or on a disk that a test names.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace moesaic::executor {

class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& parent = ::testing::TempDir())
      : path_((std::filesystem::path(parent) / "moesaic-store-XXXXXX").string()) {
    if (!::mkdtemp(path_.data())) throw std::runtime_error("no folder in " + parent);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  bool empty() const { return std::filesystem::is_empty(path_); }

 private:
  std::string path_;
};

}  // namespace moesaic::executor
