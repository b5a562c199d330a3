#pragma once
// What a GPU computes more slowly than it could because a build or the device is without a library's kernels. The
// libraries are for bf16: an f32 plan misses nothing.

#include <string>
#include <vector>

#include "executor/cuda/compute_capability.h"

namespace moesaic::executor::cuda {

/// Libraries whose kernels are compiled in.
struct BuiltWith {
  bool cutlass = false, cudnn = false;
};
BuiltWith built_with();

/// A sentence each: what is missing, and what runs instead. Empty: every fast path is there.
std::vector<std::string> slow_paths(BuiltWith built, ComputeCapability device);

}  // namespace moesaic::executor::cuda
