#pragma once
// The compiled grouped kernels of compute capability 9.0 (TMA loads, wgmma products) from CUTLASS, one per product and
// tile. They read their problems from device memory; this header needs neither CUTLASS nor CUDA.

#include "executor/cuda/grouped_arrays.h"

namespace moesaic::executor::cuda {

struct GroupedKernel {
  GroupedProduct product = GroupedProduct::forward;
  GroupedTile tile = GroupedTile::wide;
  bool tiles_go_down = true;
  int multiprocessors = 0;
};

/// What the kernel writes its tensor descriptors to, from a 128-byte boundary on.
Bytes grouped_workspace_bytes(const GroupedKernel& kernel);

/// forward and dgrad: d = a b; wgrad: d += a b. Appends one launch; `arrays` are read when the stream gets there.
void launch_grouped_kernel(const GroupedKernel& kernel, const GroupedArrays& arrays, int32_t products, void* workspace,
                           Stream stream);

}  // namespace moesaic::executor::cuda
