#include "experiments/03_which_experts_stay_in_host_memory/traces.h"

#include <algorithm>
#include <iterator>

#include "core/policy/eviction_policy.h"
#include "core/policy/expert_predictor.h"

namespace moesaic::experiments {
namespace {

/// Counts of one source from a generator whose popularity is named by its seed.
std::vector<std::vector<int64_t>> sampled(const TraceSpec& spec, uint64_t seed, int64_t rows, int64_t iteration) {
  RoutingDocument document;
  document.generator = {spec.zipf_exponent, seed, true};
  const Routing routing(document, spec.moe_layers, 1, spec.experts, rows);
  std::vector<std::vector<int64_t>> layers;
  for (int64_t layer = 0; layer < spec.moe_layers; ++layer) layers.push_back(routing.counts(iteration, layer, 0));
  return layers;
}

std::vector<std::vector<int64_t>> drifting(const TraceSpec& spec, uint64_t seed, int64_t iteration) {
  const int64_t epoch = iteration / spec.drift_period, progress = iteration % spec.drift_period;
  const int64_t moved = spec.rows * progress / spec.drift_period;
  const uint64_t first = seed + static_cast<uint64_t>(epoch);
  auto layers = sampled(spec, first, spec.rows - moved, iteration);
  const auto next = sampled(spec, first + 1, moved, iteration);
  for (size_t layer = 0; layer < layers.size(); ++layer)
    for (size_t expert = 0; expert < layers[layer].size(); ++expert) layers[layer][expert] += next[layer][expert];
  return layers;
}

int64_t size_of(const std::vector<int64_t>& ids) { return static_cast<int64_t>(ids.size()); }

/// How well the active experts of one iteration foretell those of the next, over all layers.
void judge_prediction(const RowCounts& counts, RequestTrace& trace) {
  int64_t predicted = 0, active = 0, right = 0;
  for (size_t iteration = 1; iteration < counts.size(); ++iteration)
    for (size_t layer = 0; layer < counts[iteration].size(); ++layer) {
      const std::vector<int64_t> guess = predict_active_experts(counts[iteration - 1][layer]),
                                 truth = predict_active_experts(counts[iteration][layer]);
      std::vector<int64_t> both;
      std::set_intersection(guess.begin(), guess.end(), truth.begin(), truth.end(), std::back_inserter(both));
      predicted += size_of(guess), active += size_of(truth), right += size_of(both);
    }
  trace.precision = predicted > 0 ? static_cast<double>(right) / static_cast<double>(predicted) : 0;
  trace.recall = active > 0 ? static_cast<double>(right) / static_cast<double>(active) : 0;
}

}  // namespace

RowCounts row_counts(const TraceSpec& spec, const RoutingDocument& recording, uint64_t seed) {
  RowCounts counts;
  if (spec.recording.empty()) {
    for (int64_t iteration = 0; iteration < spec.iterations; ++iteration)
      counts.push_back(spec.drift_period > 0 ? drifting(spec, seed, iteration)
                                             : sampled(spec, seed, spec.rows, iteration));
    return counts;
  }
  require_form(recording, std::max({RoutingForm::counts, kPredictorReads, kEvictionReads}),
               "the trace \"" + spec.name + "\" of a recording");
  const Routing routing(recording, spec.moe_layers, 1, spec.experts, spec.rows);
  for (int64_t iteration = 0; iteration < spec.iterations; ++iteration) {
    counts.emplace_back();
    for (int64_t layer = 0; layer < spec.moe_layers; ++layer)
      counts.back().push_back(routing.counts(iteration, layer, 0));
  }
  return counts;
}

RequestTrace request_trace(const TraceSpec& spec, const RowCounts& counts) {
  RequestTrace trace;
  trace.entries = spec.moe_layers * spec.experts;
  const auto request_layer = [&](size_t iteration, int64_t layer) {
    for (const int64_t expert : predict_active_experts(counts[iteration][static_cast<size_t>(layer)]))
      trace.ids.push_back(layer * spec.experts + expert);
  };
  int64_t forward_requests = 0;
  for (size_t iteration = 0; iteration < counts.size(); ++iteration) {
    trace.iteration_begins.push_back(trace.ids.size());
    for (int64_t layer = 0; layer < spec.moe_layers; ++layer) request_layer(iteration, layer);
    forward_requests += size_of(trace.ids) - static_cast<int64_t>(trace.iteration_begins.back());
    if (spec.backward)
      for (int64_t layer = spec.moe_layers; layer-- > 0;) request_layer(iteration, layer);
  }
  trace.iteration_begins.push_back(trace.ids.size());
  trace.measured_from = trace.iteration_begins[static_cast<size_t>(spec.warm_up)];
  trace.active_share = static_cast<double>(forward_requests) / static_cast<double>(trace.entries * spec.iterations);
  judge_prediction(counts, trace);
  return trace;
}

}  // namespace moesaic::experiments
