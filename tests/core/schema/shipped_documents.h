#pragma once
// The documents that ship with the suite, for tests that read all of them. It checks nothing itself.

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

namespace moesaic::testing {

inline std::string profiles(const std::string& name) { return std::string(MOESAIC_SOURCE_DIR) + "/profiles/" + name; }

/// Paths of all JSON files in profiles/<folder>, sorted.
inline std::vector<std::string> shipped(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(profiles(folder))) {
    if (entry.path().extension() == ".json") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace moesaic::testing
