#pragma once
// Which work the grouped kernels of compute capability 9.0 are given: slots without rows are dropped, long ones are cut
// into parts, and one of two tiles is chosen. Arithmetic on the host; it touches no device.

#include <cstdint>
#include <span>
#include <vector>

#include "core/schema/bfloat16.h"
#include "executor/cuda/grouped_matmul.h"

namespace moesaic::executor::cuda {

// One product of the list that a kernel works through: as GroupedProblem, never without rows.
struct GroupedPart {
  const BFloat16* a = nullptr;
  const BFloat16* b = nullptr;
  BFloat16* c = nullptr;
  int32_t rows = 0;
  bool operator==(const GroupedPart&) const = default;
};

// The output that one thread block computes at a time, and how two blocks share what they load.
enum class GroupedTile {
  wide,    // 128 x 256; a pair of blocks, one above the other, shares the weights: 256 rows at a time
  narrow,  // 128 x 128; a pair of blocks, side by side, shares the rows: 128 rows at a time
};

/// A part of forward or dgrad has at most this many rows: [4096, 4096] of bfloat16 are 32 MiB, which stay in the 50 MB
/// second-level cache of an H100 while the weights stream past once.
inline constexpr int64_t kRowsPerPart = 4096;

/// In the order of the problems. A wgrad is never cut: its rows are the sum.
std::vector<GroupedPart> grouped_parts(GroupedProduct product, int64_t n, int64_t k,
                                       std::span<const GroupedProblem<BFloat16>> problems);

/// The one that should take less time: the narrow tile pads less and multiplies while it stores, so that it is better
/// for few rows and for short sums; the wide one loads fewer bytes per operation.
GroupedTile grouped_tile(GroupedProduct product, int64_t n, int64_t k, std::span<const int64_t> rows_per_slot);

/// True where 128-row steps down the output of one part come one after the other, else 256-column steps: the shorter
/// way, so that the tiles computed at one time are nearest to a square and share most of what they load.
bool grouped_tiles_go_down(GroupedProduct product, int64_t n, int64_t k, int64_t rows);

}  // namespace moesaic::executor::cuda
