#pragma once
// Replays one request trace through one policy and counts. It knows neither the axes of the study nor its tables.

#include "core/policy/eviction_policy.h"
#include "experiments/03_which_experts_stay_in_host_memory/traces.h"

namespace moesaic::experiments {

struct HitCount {
  int64_t all = 0;  // over the whole trace
  double rate = 0;  // after the warm-up
};
HitCount count_hits(EvictionPolicy& policy, const RequestTrace& trace);

int64_t capacity_of(const RequestTrace& trace, int64_t percent);  // at least one entry

/// Algorithm 2 with its period given in iterations of this trace.
ExpertCacheSettings settings_for(const RequestTrace& trace, int64_t percent, double threshold, double decay,
                                 double period_iterations);

/// Writes to storage per iteration, where every backward use changes the states: dirty victims, flushed entries, and
/// changes of entries that were not in host memory. The last drain counts too.
double writes_per_iteration(const ExpertCacheSettings& settings, const RequestTrace& trace);

}  // namespace moesaic::experiments
