#pragma once
// The newest checkpoint of a folder as text, to compare training states with: its manifest holds the hash of every
// shard.

#include <fstream>
#include <iterator>
#include <string>

#include "executor/checkpoint/reader.h"

namespace moesaic::executor::testing {

inline std::string contents(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline std::string newest(const std::string& folder) {
  FileSystem files;
  return contents(folder + "/" + manifest_name(find_checkpoint(files, folder).manifest->step));
}

}  // namespace moesaic::executor::testing
