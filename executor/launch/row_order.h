#pragma once
// In which order rows stand on either side of a regrouping, and how chunks of a slot's rows make the whole. Pure index
// arithmetic for every backend; it moves nothing.

#include <cstdint>
#include <span>
#include <vector>

#include "core/routing/slot_counts.h"

namespace moesaic::executor {

/// `rows` consecutive rows that start at `from` in the source. Segments are listed in the order of the destination.
struct RowSegment {
  int64_t from = 0;
  int64_t rows = 0;
};

/// The segments of a regrouping on the rank at `position` of the expert-parallel group.
std::vector<RowSegment> regroup_segments(Regroup order, const SlotCounts& counts, int position, int ranks_per_node);

/// Rows once per (token, node) that a relay repeats for choices. Segments are listed in the order of the destination.
struct RepeatedSegment {
  int64_t place = 0;  // the first of `rows` places, each a row among all that its source sends
  int64_t rows = 0;
  int64_t shift = 0;  // from there to the row among those that the relay has received
};
std::vector<RepeatedSegment> repeated_segments(const SlotCounts& counts, int position, int ranks_per_node);

/// Rows of all chunks in the order [slot][source][chunk]: what one whole exchange would have left. `chunk` says whose
/// buffer `from` counts in; each chunk's buffer stands in the order [slot][source].
struct ChunkSegment {
  int chunk = 0;
  int64_t from = 0;
  int64_t rows = 0;
};
std::vector<ChunkSegment> whole_order(std::span<const SlotCounts> chunks, int position);

}  // namespace moesaic::executor
