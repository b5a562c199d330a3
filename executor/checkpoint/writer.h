#pragma once
// Writes checkpoints in the background while training goes on, so that at every instant one is complete on disk.
// It does not decide what is saved when, nor by which rank: the caller does.

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "executor/checkpoint/manifest.h"
#include "executor/checkpoint/text_gather.h"

namespace moesaic::executor {

/// Memory of this rank and the logical elements in it that this rank saves. Between all ranks each element of a tensor
/// is saved once.
struct SavedArray {
  const float* data = nullptr;
  std::vector<Piece> pieces;
};

struct CheckpointOptions {
  std::string folder;                 // on a file system that all ranks share; its parent exists
  int keep = 2;                       // checkpoints that stay: the newest of those written, and the one loaded
  int64_t loaded_step = -1;           // of the checkpoint that this run resumed from; -1: none
  int64_t block_bytes = kBlockBytes;  // of one checksum
};

/// In three rounds, each ended by an exchange between all ranks (any failure ends all of them with the same
/// DeviceError): every rank's shard; rank 0's manifest; rank 0's CURRENT, which commits, and then the removal of what
/// is older.
class CheckpointWriter {
 public:
  /// Makes the folder, which other ranks may do at the same time; InputError where that cannot be. The communicator
  /// joins all ranks and is used by nobody else while the writer lives. What else is found in the
  /// folder under names of checkpoints is removed by the first commit, so the caller makes sure whose folder it is.
  CheckpointWriter(FileSystem& files, Communicator& communicator, CheckpointOptions options);
  ~CheckpointWriter();  // a checkpoint that wait() has not seen through may stay incomplete, and so be ignored

  /// Collective. Waits for the checkpoint before, copies the arrays and returns; poll() or wait() must follow.
  /// `meta`: a JSON object, of which rank 0's is kept.
  void save(int64_t step, const std::vector<SavedArray>& arrays, const std::string& meta);
  /// Moves on; true when nothing is under way. Throws the DeviceError that ended the checkpoint; what was committed
  /// before is untouched.
  bool poll();
  void wait();
  /// Of the last checkpoint that CURRENT names durably; -1 before the first of this writer.
  int64_t committed_step() const { return committed_step_; }

 private:
  static constexpr int kRounds = 3;

  void start_round();
  void finish_round(std::vector<std::string> reports);
  std::string write_own_shard() const;
  std::string write_own_manifest() const;
  std::string commit() const;
  void remove_others() const;

  FileSystem& files_;
  Communicator& communicator_;
  CheckpointOptions options_;
  int64_t step_ = -1, committed_step_ = -1, sequence_ = 0;
  std::vector<int64_t> kept_;  // steps of complete checkpoints, ascending in age of commit
  std::vector<float> snapshot_;
  std::vector<Piece> pieces_;  // of the snapshot
  std::string meta_;
  int round_ = kRounds;
  std::future<std::string> job_;  // what this rank has to do in this round
  std::unique_ptr<TextGather> exchange_;
  std::vector<std::string> reports_;  // [ranks], of the round before
};

}  // namespace moesaic::executor
