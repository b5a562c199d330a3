#pragma once
// Whether every rank has a GPU of its own, as NCCL demands. It asks no device: ranks say what they have.

#include <span>
#include <string>

namespace moesaic::executor {

/// The first version with NCCL_MULTI_RANK_GPU_ENABLE, which is experimental: 2.30.
inline constexpr int kFirstSharingNccl = 23000;

/// Throws InputError naming two ranks that have the same device. devices: [num_ranks], equal only where the GPU is the
/// same, on whichever machine. `sharing_enabled`: all ranks have NCCL_MULTI_RANK_GPU_ENABLE set.
void require_own_devices(std::span<const std::string> devices, int nccl_version, bool sharing_enabled);

}  // namespace moesaic::executor
