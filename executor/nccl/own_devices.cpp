#include "executor/nccl/own_devices.h"

#include <map>

#include "core/schema/error.h"

namespace moesaic::executor {

void require_own_devices(std::span<const std::string> devices, int nccl_version, bool sharing_enabled) {
  if (sharing_enabled && nccl_version >= kFirstSharingNccl) return;
  std::map<std::string, size_t> first;  // device -> rank
  for (size_t rank = 0; rank < devices.size(); ++rank) {
    const auto [owner, is_new] = first.emplace(devices[rank], rank);
    if (is_new) continue;
    throw InputError(
        "--communicator nccl", "",
        "ranks " + std::to_string(owner->second) + " and " + std::to_string(rank) + " both have " + devices[rank],
        "one GPU for every rank", "leave --communicator out, or start one rank for every GPU");
  }
}

}  // namespace moesaic::executor
