#pragma once
// Which rows of a gathered source this rank's slots take, and where these stand in slot order. Pure index arithmetic
// for every backend.

#include <cstdint>
#include <vector>

#include "core/routing/slot_counts.h"
#include "executor/backend/backend.h"
#include "executor/launch/route.h"

namespace moesaic::executor {

/// Of the rows that a source would send, in the order of all slots, those from `first` on that one slot of this rank
/// takes; they stand from `to` on in this rank's order, [slot][source].
struct OwnRows {
  int64_t first = 0, rows = 0, to = 0;
  bool operator==(const OwnRows&) const = default;
};

/// [sources * slots_per_rank], source by source, first ascending within each.
std::vector<OwnRows> own_rows(const SlotCounts& counts, int position);

/// An own_choices task, unpacked.
struct OwnChoices {
  explicit OwnChoices(const Launch& launch);
  Route from, to;
  int64_t source_choices;  // of one source: [tokens, top_k]
  int64_t slices;
  int num_sources, slots;
  std::vector<OwnRows> own;
};

}  // namespace moesaic::executor
