#pragma once
// Rows that go to a node once per token, of which the rows of choices are copies, found on the device. It decides no
// route and moves no rows.

#include <cstdint>

#include "executor/cuda/row_placement.h"
#include "executor/cuda/stream.h"
#include "executor/launch/route.h"

namespace moesaic::executor::cuda {

/// Where a chunk's rows begin by slot; as many consecutive slots on each node.
struct NodeSlots {
  const int32_t* starts = nullptr;  // [chunks, slots]
  int64_t slots = 0, nodes = 0;
};

/// route.rows -> route.places (-1: dropped), chunk by chunk rows with one per (token, node), nodes in order and within
/// a node tokens; node_counts [chunks, nodes]. per_token: rows of a token.
void place_once(const Route& route, int32_t* node_counts, const TokenBlocks& blocks, int64_t per_token,
                const NodeSlots& slots, Stream stream);

}  // namespace moesaic::executor::cuda
