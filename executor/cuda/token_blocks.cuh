#pragma once
// Which tokens a block of a routing kernel handles. It launches nothing.

#include "executor/cuda/row_placement.h"

namespace moesaic::executor::cuda {

struct TokenRange {
  int64_t first, last;  // last: one behind
};

__device__ inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

__device__ inline TokenRange part_of(const TokenRange& range, int64_t offset, int64_t count) {
  return {smaller(range.first + offset, range.last), smaller(range.first + offset + count, range.last)};
}

__device__ inline TokenRange tokens_of_block(const TokenBlocks& blocks, int64_t block) {
  const int64_t chunk = block / blocks.per_chunk, in_chunk = block % blocks.per_chunk;
  return part_of({chunk * blocks.tokens / blocks.chunks, (chunk + 1) * blocks.tokens / blocks.chunks},
                 in_chunk * kBlockTokens, kBlockTokens);
}

}  // namespace moesaic::executor::cuda
