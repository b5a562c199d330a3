#pragma once
// Which experts stay in host memory? Replays request traces through cache policies of growing capacity, and asks what
// the constants of Algorithm 2 are worth. Hit rates only: nothing is timed, so the same axes give the same result.

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/schema/documents.h"
#include "experiments/03_which_experts_stay_in_host_memory/traces.h"

namespace moesaic::experiments {

/// The axes of an experiment.json of kind moesaic.experiment/1, question "expert cache".
struct ExpertCacheStudy {
  std::string name, question;
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
ExpertCacheStudy read_expert_cache_study(const Json& json, const std::string& file);

struct ExpertCacheHooks {
  std::function<RoutingDocument(const std::string& name)> load_routing;
  std::function<void(int done, int total)> progress = [](int, int) {};
};

/// Runs the study and returns its result document: hit rates by trace, policy and capacity; the sensitivity; the
/// summary.
Json run_expert_cache_study(const ExpertCacheStudy& study, const ExpertCacheHooks& hooks);

/// The result as tables of Markdown, for the experiment's README.
std::string expert_cache_tables(const Json& result);

}  // namespace moesaic::experiments
