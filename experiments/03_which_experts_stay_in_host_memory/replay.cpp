#include "experiments/03_which_experts_stay_in_host_memory/replay.h"

#include <algorithm>
#include <cmath>

namespace moesaic::experiments {

HitCount count_hits(EvictionPolicy& policy, const RequestTrace& trace) {
  int64_t all = 0, measured = 0;
  for (size_t i = 0; i < trace.ids.size(); ++i) {
    if (policy.request(trace.ids[i]).kind != CacheAnswer::Kind::kHit) continue;
    ++all;
    measured += i >= trace.measured_from ? 1 : 0;
  }
  return {all, static_cast<double>(measured) / static_cast<double>(trace.ids.size() - trace.measured_from)};
}

int64_t capacity_of(const RequestTrace& trace, int64_t percent) {
  return std::max<int64_t>(1, trace.entries * percent / 100);
}

ExpertCacheSettings settings_for(const RequestTrace& trace, int64_t percent, double threshold, double decay,
                                 double period_iterations) {
  const double requests =
      static_cast<double>(trace.ids.size()) / static_cast<double>(trace.iteration_begins.size() - 1);
  return {capacity_of(trace, percent), threshold, decay,
          std::max<int64_t>(1, std::llround(period_iterations * requests)), 0};
}

double writes_per_iteration(const ExpertCacheSettings& settings, const RequestTrace& trace) {
  ExpertCache cache(settings);
  int64_t writes = 0;
  const size_t iterations = trace.iteration_begins.size() - 1;
  for (size_t iteration = 0; iteration < iterations; ++iteration) {
    const size_t begin = trace.iteration_begins[iteration], end = trace.iteration_begins[iteration + 1];
    for (size_t i = begin; i < end; ++i) {
      writes += cache.request(trace.ids[i]).victim_is_dirty ? 1 : 0;
      const bool backward = i >= begin + (end - begin) / 2;
      if (backward && !cache.mark_dirty(trace.ids[i])) ++writes;
    }
    writes += static_cast<int64_t>(cache.end_step().size());
  }
  writes += static_cast<int64_t>(cache.drain().size());
  return static_cast<double>(writes) / static_cast<double>(iterations);
}

}  // namespace moesaic::experiments
