#pragma once
// Where the row of every choice stands in its chunk's send buffer, found on the device: by slot, within a slot in the
// order of tokens; choices beyond an expert's capacity are dropped. It neither chooses experts nor moves rows.

#include <cstdint>
#include <span>

#include "executor/cuda/stream.h"
#include "executor/cuda/stream_scratch.h"
#include "executor/launch/route.h"

namespace moesaic::executor::cuda {

constexpr int64_t kMaxExperts = 512;
constexpr int64_t kNoCapacity = -1;
constexpr int kBlockTokens = 64;

/// The tokens of a microbatch in chunks, chunk c from floor(c tokens / chunks) on, and each chunk in as many blocks of
/// kBlockTokens, the last ones perhaps empty. Blocks are numbered over all chunks.
struct TokenBlocks {
  int64_t tokens = 0;
  int64_t chunks = 1;
  int64_t per_chunk = 1;

  int64_t count() const { return chunks * per_chunk; }
};
TokenBlocks token_blocks(int64_t tokens, int64_t chunks);

struct RowPlacement {
  std::span<const int> slot_to_expert;  // [num_slots] on the host: expert * slices + slice, -1: empty
  int64_t slices = 1;                   // of an expert; a choice sends a row to each
  int64_t capacity = kNoCapacity;       // of an expert; chunk c takes its share floor((c+1) n / C) - floor(c n / C)
  bool padded = false;                  // an expert has rows for all that it takes
  int64_t nodes = 0;                    // to which tokens go once; 0: once per choice
};

/// block_counts [blocks, num_experts]: how often the tokens of a block choose an expert; overwritten. Writes counts
/// [chunks, num_experts], the kept choices, and behind them, where tokens go to a node once, [chunks, nodes], and
/// route.places (once_per_node.h); route.rows; drops choices in route.chosen and route.weights. Replica j
/// of R takes an expert's rows from floor(j n / R) on, as split_over_slots counts them, of n that are kept or, padded,
/// for which there is room.
void place_rows(const Route& route, int32_t* block_counts, int32_t* counts, const TokenBlocks& blocks,
                int64_t num_experts, int64_t top_k, const RowPlacement& placement, StreamScratch& scratch,
                Stream stream);

}  // namespace moesaic::executor::cuda
