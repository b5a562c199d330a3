#pragma once
// Grouped products in bfloat16 on devices of compute capability 9.x (H100, H200): one launch works through all slots.
// It is compiled where CUTLASS is found (MOESAIC_HAVE_CUTLASS); grouped_matmul then calls it for what it takes.

#include "executor/cuda/grouped_arrays.h"
#include "executor/cuda/stream_scratch.h"

namespace moesaic::executor::cuda {

/// Of the compute capability, major: code for sm_90a runs on no other.
constexpr int kGroupedCapability = 9;

/// Where the current device, the sizes (multiples of 8) or a pointer (16-byte boundary) do not suit, false.
bool grouped_matmul_sm90_takes(int64_t n, int64_t k, std::span<const GroupedProblem<BFloat16>> problems);

/// As grouped_matmul, of what is taken.
void grouped_matmul_sm90(GroupedProduct product, int64_t n, int64_t k,
                         std::span<const GroupedProblem<BFloat16>> problems, StreamScratch& scratch, Stream stream);

/// The same with row counts that the host does not know. `expected_rows` of all slots together chooses the tile alone.
/// n, k, the device and the three pointers must suit as above.
void grouped_matmul_sm90(GroupedProduct product, int64_t n, int64_t k, const GroupedRows& rows, int64_t expected_rows,
                         StreamScratch& scratch, Stream stream);

}  // namespace moesaic::executor::cuda
