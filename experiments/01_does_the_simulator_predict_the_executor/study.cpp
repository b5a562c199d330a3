#include "experiments/01_does_the_simulator_predict_the_executor/study.h"

#include <nlohmann/json.hpp>
#include <numeric>

#include "core/cost/plain_cost_model.h"
#include "core/schema/hash.h"
#include "core/schema/object_reader.h"
#include "experiments/01_does_the_simulator_predict_the_executor/draw_plans.h"
#include "experiments/01_does_the_simulator_predict_the_executor/summary.h"
#include "experiments/figures/statistics.h"

namespace moesaic::experiments {
namespace {

/// Predictions of one cost model for every plan: as planned, and with the routing that each run really had.
struct Predictions {
  std::vector<double> as_planned, with_recorded_routing;  // [plans] seconds
};

class FidelityRun {
 public:
  FidelityRun(const FidelityAxes& axes, const planner::Problem& problem, const Laboratory& laboratory)
      : axes_(axes), problem_(problem), laboratory_(laboratory) {}

  FidelityResult result() {
    plans_ =
        draw_plans(problem_, axes_.ranks, axes_.plans_per_rank_count, axes_.seed, axes_.memory, *laboratory_.evaluator);
    measure();
    const Predictions ours = predict(problem_.profile), plain = predict(plain_profile(problem_.cluster));
    FidelityResult result{axes_.name,
                          problem_.profile.machine,
                          problem_.profile.date,
                          static_cast<int>(plans_.size()),
                          axes_.rounds,
                          axes_.steps,
                          {},
                          {}};
    for (size_t i = 0; i < plans_.size(); ++i) result.rows.push_back(row_of(i, ours, plain));
    result.summary = fidelity_summary(result.rows);
    return result;
  }

 private:
  /// Round after round over all plans, each round in another order, so that slow drifts of the machine meet all plans
  /// alike.
  void measure() {
    repeats_.resize(plans_.size());
    last_.resize(plans_.size());
    std::vector<size_t> order(plans_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    int done = 0;
    const int total = axes_.rounds * static_cast<int>(plans_.size());
    for (int round = 0; round < axes_.rounds; ++round) {
      for (size_t i = order.size(); i > 1; --i)
        std::swap(order[i - 1], order[splitmix64(axes_.seed + 1000 * static_cast<uint64_t>(round) + i) % i]);
      for (const size_t plan : order) {
        last_[plan] = laboratory_.execute(plans_[plan].plan, axes_.steps, Way::pinned);
        repeats_[plan].push_back(last_[plan].step_seconds);
        laboratory_.progress(++done, total, "executions");
      }
    }
  }

  Predictions predict(const Profile& profile) {
    std::vector<Plan> plans;
    for (size_t i = 0; i < plans_.size(); ++i)
      for (const bool recorded : {false, true}) {
        Plan plan = plans_[i].plan;
        plan.profile = profile;
        if (recorded) plan.routing = last_[i].routing;
        plans.push_back(std::move(plan));
      }
    const std::vector<Evaluation> evaluations = laboratory_.evaluator->evaluate(plans);
    Predictions predictions;
    for (size_t i = 0; i < plans_.size(); ++i) {
      predictions.as_planned.push_back(evaluations[2 * i].prediction.step_seconds);
      predictions.with_recorded_routing.push_back(evaluations[2 * i + 1].prediction.step_seconds);
    }
    return predictions;
  }

  FidelityRow row_of(size_t i, const Predictions& ours, const Predictions& plain) const {
    FidelityRow row;
    row.plan = plans_[i].what;
    row.ranks = plans_[i].plan.layout.ranks;
    row.near_best = plans_[i].near_best;
    row.measured_s = median(repeats_[i]);
    row.repeat_noise = repeat_noise(repeats_[i]);
    row.repeats_s = repeats_[i];
    row.predicted_s = ours.as_planned[i];
    row.predicted_with_recorded_routing_s = ours.with_recorded_routing[i];
    row.plain_model_s = plain.as_planned[i];
    row.plain_model_with_recorded_routing_s = plain.with_recorded_routing[i];
    return row;
  }

  const FidelityAxes& axes_;
  const planner::Problem& problem_;
  const Laboratory& laboratory_;
  std::vector<DrawnPlan> plans_;
  std::vector<std::vector<double>> repeats_;  // [plans, rounds] seconds
  std::vector<Execution> last_;               // [plans]
};

}  // namespace

FidelityAxes read_fidelity_axes(const Json& json, const std::string& file) {
  ObjectReader reader = open_experiment(json, file);
  FidelityAxes axes;
  axes.name = reader["name"].text();
  axes.documents.model = reader["model"].text();
  axes.documents.workload = reader["workload"].text();
  axes.documents.routing = reader["routing"].text("");
  axes.documents.cluster = axes.documents.profile = reader["machine"].text();
  axes.ranks = reader["ranks"].integers<int>(kCount);
  axes.plans_per_rank_count = static_cast<int>(reader["plans_per_rank_count"].integer({2, 1000}));
  axes.memory = reader["memory"].boolean(false);
  axes.rounds = static_cast<int>(reader["rounds"].integer({2, 100}));
  axes.steps = reader["steps"].integer({3, 100000});
  axes.seed = reader["seed"].seed(1);
  reader.finish();
  return axes;
}

FidelityResult run_fidelity_study(const FidelityAxes& axes, const Laboratory& laboratory) {
  planner::Problem problem = laboratory.problem(axes.documents);
  problem.seed = axes.seed;
  return FidelityRun(axes, problem, laboratory).result();
}

const Study kFidelityStudy =
    typed_study<read_fidelity_axes, run_fidelity_study, fidelity_tables>("fidelity", with_summary_of_rows);

}  // namespace moesaic::experiments
