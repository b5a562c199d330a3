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
    if (!evaluations[2 * i].feasible || !evaluations[2 * i + 1].feasible) continue;  // the paper's have run
    const Prediction &baseline = evaluations[2 * i].prediction, &system = evaluations[2 * i + 1].prediction;
    const double tokens = static_cast<double>(plans[2 * i].workload.tokens_per_step()) / baseline.step_seconds;
    const Bytes bytes = baseline.peak_bytes.at(name_of(Tier::device)) + kept_score_bytes(plans[2 * i], all[i]);
    tried.push_back({all[i], tokens / cell.tokens_per_second - 1,
                     static_cast<double>(bytes) / static_cast<double>(cell.memory_bytes) - 1,
                     baseline.step_seconds / system.step_seconds});
  }
  MOESAIC_CHECK(!tried.empty(), "no combination of unknowns fits into the devices");
  std::stable_sort(tried.begin(), tried.end(),
                   [](const TriedUnknowns& a, const TriedUnknowns& b) { return a.distance() < b.distance(); });
  return tried;
}

}  // namespace moesaic::experiments
