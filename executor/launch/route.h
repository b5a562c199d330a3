#pragma once
// What the router decided for a microbatch, as one tensor: for every choice [tokens, top_k] its expert and its weight
// (f32), then for every choice and slice of its expert [tokens, top_k, expert_slices] the row in its chunk's send
// buffer, and, where tokens go to a node once, which of the rows that do so it repeats. Device code includes this, so
// it needs nothing of the host's.

#include <cstdint>

namespace moesaic::executor {

struct Route {
  int32_t* chosen = nullptr;  // [tokens, top_k] expert; -1: dropped
  float* weights = nullptr;   // [tokens, top_k]
  int32_t* rows = nullptr;    // [tokens, top_k, slices] row in the send buffer; -1: dropped
  int32_t* places = nullptr;  // alike, row among those once per (token, node): [node][token]; null: there are none
};

}  // namespace moesaic::executor
