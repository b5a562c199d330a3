#pragma once
// A small training state in three ways of spreading it over ranks, a folder for its checkpoints, and its values: pure
// functions of tensor, element and step.

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/schema/hash.h"
#include "executor/checkpoint/reader.h"
#include "executor/checkpoint/writer.h"
#include "tests/executor/comm/local_ranks.h"

namespace moesaic::executor {

/// In memory where the system has a place for that: ten thousand fsyncs of a disk take minutes.
struct TestFolder {
  std::string path;
  TestFolder() {
    const std::filesystem::path memory = "/dev/shm";
    const auto parent = std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
    std::string pattern = (parent / "checkpoint-XXXXXX").string();
    path = std::string(mkdtemp(pattern.data())) + "/checkpoints";
  }
  ~TestFolder() { std::filesystem::remove_all(std::filesystem::path(path).parent_path()); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
};

inline float value_of(const std::string& tensor, int64_t element, int64_t step) {
  const uint64_t key = fnv1a64(tensor) + static_cast<uint64_t>(step) * 1000003;
  return static_cast<float>(splitmix64(key + static_cast<uint64_t>(element)) >> 40);
}

/// A rank's memory and what it holds.
struct LocalArray {
  std::vector<float> data;
  std::vector<Piece> pieces;

  template <typename Visit>
  void for_each(const Visit& visit) {
    for (const Piece& p : pieces)
      for (int64_t r = 0; r < p.runs; ++r)
        for (int64_t i = 0; i < p.run; ++i)
          visit(data[static_cast<size_t>(p.local_offset + r * p.local_stride + i)], p.tensor,
                p.logical_offset + r * p.logical_stride + i);
  }
  void fill(int64_t step) {
    for_each([&](float& at, const std::string& tensor, int64_t element) { at = value_of(tensor, element, step); });
  }
  int64_t wrong(int64_t step) {
    int64_t count = 0;
    for_each([&](float at, const std::string& tensor, int64_t element) {
      count += at != value_of(tensor, element, step) ? 1 : 0;
    });
    return count;
  }
};

/// "bias": [100] in even slices; "matrix": [24, 20] by columns; eight experts of [32], expert (rotation + 3 e) % 8 on
/// rank e % ranks. Local arrays have gaps of 5 elements between pieces, and rows of the matrix are 3 apart.
inline std::vector<LocalArray> toy_arrays(int rank, int ranks, int rotation = 0) {
  LocalArray dense, experts;
  const int64_t first = 100 * rank / ranks, last = 100 * (rank + 1) / ranks;
  dense.pieces.push_back({"bias", first, 0, 0, 0, last - first, 1});
  const int64_t left = 20 * rank / ranks, right = 20 * (rank + 1) / ranks;
  dense.pieces.push_back({"matrix", left, 20, last - first + 5, right - left + 3, right - left, 24});
  dense.data.resize(static_cast<size_t>(last - first + 5 + 24 * (right - left + 3)), -1);
  for (int e = 0; e < 8; ++e) {
    if (e % ranks != rank) continue;
    const auto at = static_cast<int64_t>(experts.data.size());
    experts.pieces.push_back({"experts." + std::to_string((rotation + 3 * e) % 8) + ".up", 0, 0, at, 0, 32, 1});
    experts.data.resize(experts.data.size() + 37, -1);
  }
  return {dense, experts};
}

inline std::vector<SavedArray> as_saved(const std::vector<LocalArray>& arrays) {
  std::vector<SavedArray> saved;
  for (const LocalArray& array : arrays) saved.push_back({array.data.data(), array.pieces});
  return saved;
}

inline std::vector<LoadedArray> as_loaded(std::vector<LocalArray>& arrays) {
  std::vector<LoadedArray> loaded;
  for (LocalArray& array : arrays) loaded.push_back({array.data.data(), array.pieces});
  return loaded;
}

inline std::vector<int> all_ranks(int ranks) {
  std::vector<int> all;
  for (int rank = 0; rank < ranks; ++rank) all.push_back(rank);
  return all;
}

struct ToyRun {
  int ranks = 1;
  int rotation = 0;
  int64_t loaded_step = -1;
  int64_t block_bytes = 256;
};

/// Saves the state of every step in turn. Throws what the writer throws; `committed` is then the last step that was.
inline void save_steps(FileSystem& files, const std::string& folder, const ToyRun& run,
                       const std::vector<int64_t>& steps, int64_t* committed = nullptr) {
  LocalWorld world(run.ranks);
  run_ranks(world, [&](Transport& transport) {
    Communicator communicator(transport, all_ranks(run.ranks), 0);
    CheckpointWriter writer(files, communicator, {folder, 2, run.loaded_step, run.block_bytes});
    std::vector<LocalArray> arrays = toy_arrays(transport.rank(), run.ranks, run.rotation);
    for (int64_t step : steps) {
      for (LocalArray& array : arrays) array.fill(step);
      writer.save(step, as_saved(arrays), "{\"step\":" + std::to_string(step) + "}");
      for (LocalArray& array : arrays) std::fill(array.data.begin(), array.data.end(), -2.0f);  // training goes on
      writer.wait();
      if (committed != nullptr && transport.rank() == 0) *committed = writer.committed_step();
    }
  });
}

/// Loads the found checkpoint on so many ranks in turn; the number of elements that are not those of its step.
inline int64_t wrong_elements(FileSystem& files, const std::string& folder, const Manifest& manifest, int ranks,
                              int rotation = 0) {
  int64_t wrong = 0;
  for (int rank = 0; rank < ranks; ++rank) {
    std::vector<LocalArray> arrays = toy_arrays(rank, ranks, rotation);
    load_checkpoint(files, folder, manifest, as_loaded(arrays));
    for (LocalArray& array : arrays) wrong += array.wrong(manifest.step);
  }
  return wrong;
}

}  // namespace moesaic::executor
