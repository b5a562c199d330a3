#pragma once
// Where the rows of a router's choices stand in the send buffer: in slot order, or in padded slots.

#include <cstdint>
#include <span>
#include <vector>

namespace moesaic::executor::cpu {

struct RowPlacement {
  std::span<const int> slot_to_expert;  // [num_slots]: expert * slices + slice, -1: empty
  int slices = 1;                       // of an expert; a choice sends a row to each
  int64_t padded_rows = 0;              // of each expert; 0: as many as come
};

/// chosen [tokens, top_k] (-1: dropped), counts [num_experts] of them -> rows [tokens, top_k, slices] (-1: dropped).
/// Replica j of R of an expert takes its rows from floor(j n / R) on (core/routing/slot_counts.h: split_over_slots), of
/// n that come or are padded to. Returns the rows of each slot, [num_slots].
std::vector<int64_t> place_rows(const int32_t* chosen, const std::vector<int64_t>& counts, int64_t tokens,
                                int64_t top_k, const RowPlacement& placement, int32_t* rows);

}  // namespace moesaic::executor::cpu
