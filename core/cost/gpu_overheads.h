#pragma once
// What a step on GPUs pays besides the time of its kernels: launches, and collectives that hold multiprocessors.

#include "core/schema/cluster.h"
#include "core/schema/profile.h"
#include "core/schema/workload.h"

namespace moesaic {

/// Least time of a task that a host launches on a GPU. 0 on CPU cores, where the overhead of tasks was measured, and in
/// decode, which engines replay as a captured graph. Measured kernels hold their own launch, so it is no addition.
Seconds launch_interval(const Profile& profile, const Device& device, WorkloadPhase phase);

/// Factor on compute time while a collective of the rank runs; 1 on CPU cores, which do one after the other.
double collective_slowdown(const Profile& profile, const Device& device);

}  // namespace moesaic
