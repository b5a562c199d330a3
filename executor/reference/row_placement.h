#pragma once
// Where the rows of a router's choices stand in the send buffer; the rule is that of executor/cpu/row_placement.h.
// It is not fast and not for use outside tests.

#include <cstdint>
#include <span>
#include <vector>

namespace moesaic::executor::reference {

struct RowPlacement {
  std::span<const int> slot_to_expert;  // [num_slots]: expert * slices + slice, -1: empty
  int slices = 1;
  std::int64_t padded_rows = 0;  // of each expert; 0: as many as come
};

std::vector<std::int64_t> place_rows(const std::int32_t* chosen, std::int64_t m, std::int64_t top_k,
                                     const RowPlacement& placement, std::int32_t* rows);

}  // namespace moesaic::executor::reference
