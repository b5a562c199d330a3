#include "core/cost/gpu_overheads.h"

namespace moesaic {

Seconds launch_interval(const Profile& profile, const Device& device, WorkloadPhase phase) {
  const bool launched = !device.lanes_share_core && phase != WorkloadPhase::decode;
  return launched && profile.task_overhead_s == 0 ? profile.launch_interval_s : 0;
}

double collective_slowdown(const Profile& profile, const Device& device) {
  return device.lanes_share_core ? 1 : profile.collective_slowdown;
}

}  // namespace moesaic
