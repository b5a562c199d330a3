#pragma once
// Device memory that operators of one stream use in turn: gathered operands, rotated ones, workspace, partial sums,
// sorted tokens. It only grows, and streams never share a block, so order on the stream is protection enough.

#include <array>
#include <map>
#include <vector>

#include "core/schema/units.h"
#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

enum class Scratch {
  workspace,
  gathered_x,
  gathered_a,
  gathered_dy,
  gathered_du,
  row_losses,
  grouped,
  column_sums,
  token_order,
  sort_space,
  router_blocks,
  router_slots,
  router_starts,
  own_rows,
  router_mass,
  router_extra,
  router_dlogits,
  turned,
  gated_gradient,
  row_sums
};
inline constexpr int kNumScratch = static_cast<int>(Scratch::row_sums) + 1;

class StreamScratch {
 public:
  StreamScratch() = default;
  ~StreamScratch();
  StreamScratch(const StreamScratch&) = delete;
  StreamScratch& operator=(const StreamScratch&) = delete;

  /// At least `bytes`; contents are undefined, and the next call with the same purpose may move them. Throws
  /// DeviceError where they would have to move while a graph is captured from the stream.
  void* get(Stream stream, Scratch purpose, Bytes bytes);

  /// Of everything given out so far, nothing is freed before the end: a captured graph holds the addresses.
  void hold();

 private:
  struct Block {
    void* data = nullptr;
    Bytes bytes = 0;
    bool held = false;
  };
  std::map<Stream, std::array<Block, kNumScratch>> blocks_;
  std::vector<void*> outgrown_;  // held, and too small for a later call
};

}  // namespace moesaic::executor::cuda
