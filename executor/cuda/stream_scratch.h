#pragma once
// Device memory that operators of one stream use in turn: rounded and gathered operands, workspace, rows of losses.
// It only grows, and streams never share a block, so order on the stream is protection enough.

#include <array>
#include <map>

#include "core/schema/units.h"
#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

enum class Scratch { operand_a, operand_b, workspace, gathered_x, gathered_a, gathered_dy, gathered_du, row_losses };
inline constexpr int kNumScratch = static_cast<int>(Scratch::row_losses) + 1;

class StreamScratch {
 public:
  StreamScratch() = default;
  ~StreamScratch();
  StreamScratch(const StreamScratch&) = delete;
  StreamScratch& operator=(const StreamScratch&) = delete;

  /// At least `bytes`; contents are undefined, and the next call with the same purpose may move them.
  void* get(Stream stream, Scratch purpose, Bytes bytes);

 private:
  struct Block {
    void* data = nullptr;
    Bytes bytes = 0;
  };
  std::map<Stream, std::array<Block, kNumScratch>> blocks_;
};

}  // namespace moesaic::executor::cuda
