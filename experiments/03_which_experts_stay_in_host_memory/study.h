#pragma once
// Which experts stay in host memory? Replays request traces through cache policies of growing capacity, and asks what
// the constants of Algorithm 2 are worth. Hit rates only: nothing is timed, so the same axes give the same result.

#include "experiments/03_which_experts_stay_in_host_memory/result.h"
#include "experiments/03_which_experts_stay_in_host_memory/traces.h"
#include "experiments/laboratory/study.h"

namespace moesaic::experiments {

struct ExpertCacheAxes {
  std::string name;
  std::vector<TraceSpec> traces;
  std::vector<int64_t> capacity_percents;  // of all entries
  /// The constants are varied on other draws of the same traces (seed + 1), so that what is chosen on them is judged
  /// on new ones.
  std::vector<int64_t> sensitivity_percents;
  std::vector<double> thresholds, decays;
  std::vector<double> periods;  // in iterations
  std::vector<int64_t> flush_periods;
  uint64_t seed = 1;
};
ExpertCacheAxes read_expert_cache_axes(const Json& json, const std::string& file);

/// Hit rates by trace, policy and capacity; the sensitivity; the summary.
ExpertCacheResult run_expert_cache_study(const ExpertCacheAxes& axes, const Laboratory& laboratory);
std::string expert_cache_tables(const ExpertCacheResult& result);

extern const Study kExpertCacheStudy;

}  // namespace moesaic::experiments
