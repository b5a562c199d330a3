// The axes of the study as JSON.

#include <nlohmann/json.hpp>

#include "core/schema/object_reader.h"
#include "experiments/03_which_experts_stay_in_host_memory/study.h"

namespace moesaic::experiments {
namespace {

constexpr IntegerRange kPercent{1, 100};

TraceSpec read_trace(ObjectReader reader) {
  TraceSpec spec;
  spec.name = reader["name"].text();
  spec.group = reader["group"].text();
  spec.recording = reader["recording"].text("");
  spec.zipf_exponent = reader["zipf_exponent"].number({0, 16}, 0);
  spec.drift_period = reader["drift_period"].integer(kCount, 0);
  spec.moe_layers = reader["moe_layers"].integer({1, 1000});
  spec.experts = reader["experts"].integer({1, 10000});
  spec.rows = reader["rows"].integer(kCount);
  spec.iterations = reader["iterations"].integer({2, 100000});
  spec.warm_up = reader["warm_up"].integer({0, spec.iterations - 1});
  spec.backward = reader["backward"].boolean(true);
  reader.finish();
  return spec;
}

}  // namespace

ExpertCacheAxes read_expert_cache_axes(const Json& json, const std::string& file) {
  ObjectReader reader = open_experiment(json, file);
  ExpertCacheAxes axes;
  axes.name = reader["name"].text();
  const Field traces = reader["traces"];
  axes.traces = traces.objects(read_trace);
  if (axes.traces.empty()) traces.refuse("is an empty list", "at least one trace");
  axes.capacity_percents = reader["capacity_percents"].integers(kPercent);
  axes.sensitivity_percents = reader["sensitivity_percents"].integers(kPercent);
  axes.thresholds = reader["thresholds"].numbers(kNotNegative);
  axes.decays = reader["decays"].numbers({0, 1});
  axes.periods = reader["periods"].numbers(kPositive);
  axes.flush_periods = reader["flush_periods"].integers({0, 1 << 20});
  axes.seed = reader["seed"].seed(1);
  reader.finish();
  return axes;
}

}  // namespace moesaic::experiments
