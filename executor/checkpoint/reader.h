#pragma once
// Finds the newest checkpoint that is whole and loads it, whatever the number of ranks that wrote it. It never guesses:
// every byte that it uses has been verified, and what it passed over is reported.

#include <optional>
#include <string>
#include <vector>

#include "executor/checkpoint/manifest.h"
#include "executor/comm/communicator.h"

namespace moesaic::executor {

struct RejectedFile {
  std::string file;  // name within the folder
  std::string problem;
  bool operator==(const RejectedFile&) const = default;
};

struct FoundCheckpoint {
  std::optional<Manifest> manifest;    // nothing: no complete checkpoint in the folder
  std::vector<RejectedFile> rejected;  // in the order in which they were looked at
};

/// The checkpoint that CURRENT names, else the newest other one, of which the manifest and all shards are undamaged.
FoundCheckpoint find_checkpoint(FileSystem& files, const std::string& folder);

/// The same by all ranks together: each verifies its share of the shards, and all return the same. Uses the
/// communicator from sequence number 0 on, alone.
FoundCheckpoint find_checkpoint(FileSystem& files, const std::string& folder, Communicator& communicator);

/// Memory of this rank and the logical elements that belong into it.
struct LoadedArray {
  float* data = nullptr;
  std::vector<Piece> pieces;
};

/// Fills the arrays. InputError when the checkpoint lacks elements of a tensor, DeviceError naming a shard that has
/// been damaged since it was found. Keeps one block of one shard in memory at a time.
void load_checkpoint(FileSystem& files, const std::string& folder, const Manifest& manifest,
                     const std::vector<LoadedArray>& arrays);

}  // namespace moesaic::executor
