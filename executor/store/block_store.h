#pragma once
// Blocks of one size in a file of their own: working storage of a run, gone with it, even when it is killed. It
// promises nothing after a crash, that is the checkpoint's.

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "executor/store/async_file.h"

namespace moesaic::executor {

/// What was asked of a store since it was made; bytes include the padding.
struct BlockTraffic {
  int64_t blocks_read = 0;
  int64_t blocks_written = 0;
  int64_t bytes_read = 0;
  int64_t bytes_written = 0;
  bool operator==(const BlockTraffic&) const = default;
};

/// For one thread. Blocks 0..num_blocks-1 lie at block * block_bytes(); a block that was never written reads as zeros.
/// Requests on one block are ordered by the caller alone: a write begins when everything before it on that block, a
/// read when the write before it was seen to end (done() true, or thrown). Otherwise MOESAIC_CHECK fails, on every
/// machine, however fast its disk.
class BlockStore {
 public:
  /// In an existing folder. DeviceError with file, needed and free bytes where the blocks do not fit on its disk.
  BlockStore(const std::string& folder, int64_t num_blocks, int64_t payload_bytes, AsyncFileOptions options = {});

  /// Memory is aligned to kFileAlignment, has block_bytes(), and is the store's until the ticket was seen to end.
  Ticket read(int64_t block, void* to);
  Ticket write(int64_t block, const void* from);
  /// As of AsyncFile: never blocks, throws the DeviceError of a failed request.
  bool done(Ticket ticket);
  void wait(Ticket ticket);

  int64_t num_blocks() const { return static_cast<int64_t>(users_.size()); }
  /// The payload padded to kFileAlignment.
  int64_t block_bytes() const { return block_bytes_; }
  const BlockTraffic& traffic() const { return traffic_; }
  bool direct() const { return file_->direct(); }
  const char* engine() const { return file_->engine(); }

 private:
  static constexpr int kWriting = -1;

  void check(int64_t block) const;
  void release(Ticket ticket);

  int64_t block_bytes_;
  std::vector<int> users_;                         // [num_blocks] readers in flight, or kWriting
  std::unordered_map<int64_t, int64_t> block_of_;  // ticket -> block, until its end was seen
  BlockTraffic traffic_;
  std::unique_ptr<AsyncFile> file_;
};

}  // namespace moesaic::executor
