#include "experiments/02_semoe_training_table/fit.h"

#include <algorithm>
#include <cmath>

#include "core/schema/error.h"

namespace moesaic::experiments {
namespace {

std::vector<Unknowns> combinations(const FitAxes& axes) {
  std::vector<Unknowns> all;
  for (const int64_t length : axes.sequence_lengths)
    for (const int64_t top_k : axes.top_ks)
      for (const double capacity : axes.capacity_factors)
        for (const BytesPerSecond rate : axes.card_rates)
          for (const int64_t keeps : axes.keeps_scores) all.push_back({length, top_k, capacity, rate, keeps != 0});
  return all;
}

/// With the scores that the graph does not know of.
Bytes bytes_of_device(const Plan& plan, const Evaluation& evaluation, const Unknowns& unknowns) {
  const auto peak = evaluation.prediction.peak_bytes.find(name_of(Tier::device));
  return (peak == evaluation.prediction.peak_bytes.end() ? 0 : peak->second) + kept_score_bytes(plan, unknowns);
}

bool fits(const Plan& plan, const Evaluation& evaluation, Bytes bytes) {
  return evaluation.feasible && bytes <= plan.cluster.device.memory_bytes;
}

}  // namespace

double TriedUnknowns::distance() const { return std::hypot(std::log1p(throughput_error), std::log1p(memory_error)); }

std::vector<TriedUnknowns> try_unknowns(const FittedCell& cell, const FitAxes& axes, Evaluator& evaluator) {
  const std::vector<Unknowns> all = combinations(axes);
  std::vector<Plan> plans;
  for (const Unknowns& unknowns : all) {
    plans.push_back(cell_plan(cell.row, cell.baseline, unknowns));
    plans.push_back(cell_plan(cell.row, cell.system, unknowns));
  }
  const std::vector<Evaluation> evaluations = evaluator.evaluate(plans);
  std::vector<TriedUnknowns> tried;
  for (size_t i = 0; i < all.size(); ++i) {
    const Evaluation &baseline = evaluations[2 * i], &system = evaluations[2 * i + 1];
    const Bytes bytes = bytes_of_device(plans[2 * i], baseline, all[i]);
    if (!fits(plans[2 * i], baseline, bytes) ||
        !fits(plans[2 * i + 1], system, bytes_of_device(plans[2 * i + 1], system, all[i])))
      continue;  // the paper's have run
    const Seconds step = baseline.prediction.step_seconds;
    const double tokens = static_cast<double>(plans[2 * i].workload.tokens_per_step()) / step;
    tried.push_back({all[i], tokens / cell.tokens_per_second - 1,
                     static_cast<double>(bytes) / static_cast<double>(cell.memory_bytes) - 1,
                     step / system.prediction.step_seconds});
  }
  MOESAIC_CHECK(!tried.empty(), "no combination of unknowns fits into the devices");
  std::stable_sort(tried.begin(), tried.end(),
                   [](const TriedUnknowns& a, const TriedUnknowns& b) { return a.distance() < b.distance(); });
  return tried;
}

}  // namespace moesaic::experiments
