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

ExpertCacheStudy read_expert_cache_study(const Json& json, const std::string& file) {
  ObjectReader reader = open_document(json, file, "", "experiment");
  ExpertCacheStudy study;
  study.name = reader["name"].text();
  study.question = reader["question"].text();
  const Field traces = reader["traces"];
  study.traces = traces.objects(read_trace);
  if (study.traces.empty()) traces.refuse("is an empty list", "at least one trace");
  study.capacity_percents = reader["capacity_percents"].integers(kPercent);
  study.sensitivity_percents = reader["sensitivity_percents"].integers(kPercent);
  study.thresholds = reader["thresholds"].numbers(kNotNegative);
  study.decays = reader["decays"].numbers({0, 1});
  study.periods = reader["periods"].numbers(kPositive);
  study.flush_periods = reader["flush_periods"].integers({0, 1 << 20});
  study.seed = reader["seed"].seed(1);
  reader.finish();
  return study;
}

}  // namespace moesaic::experiments
