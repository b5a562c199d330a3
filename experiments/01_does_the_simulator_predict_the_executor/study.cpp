#include "experiments/01_does_the_simulator_predict_the_executor/study.h"

#include <nlohmann/json.hpp>
#include <numeric>

#include "core/cost/plain_cost_model.h"
#include "core/schema/hash.h"
#include "core/schema/object_reader.h"
#include "experiments/01_does_the_simulator_predict_the_executor/summary.h"
#include "experiments/figures/statistics.h"

namespace moesaic::experiments {
namespace {

/// Predictions of one cost model for every plan: as planned, and with the routing that each run really had.
struct Predictions {
  std::vector<double> as_planned, with_recorded_routing;  // [plans] seconds
};

Json write_row(const DrawnPlan& drawn, const MeasuredPlan& plan) {
  return {{"plan", drawn.what},
          {"ranks", plan.ranks},
          {"near_best", drawn.near_best},
          {"measured_s", median(plan.repeats_s)},
          {"repeat_noise", repeat_noise(plan.repeats_s)},
          {"repeats_s", plan.repeats_s},
          {"predicted_s", plan.predicted_s},
          {"predicted_with_recorded_routing_s", plan.predicted_with_recorded_routing_s},
          {"plain_model_s", plan.plain_model_s},
          {"plain_model_with_recorded_routing_s", *plan.plain_model_with_recorded_routing_s}};
}

class Study {
 public:
  Study(const FidelityStudy& study, const planner::Problem& problem, const StudyHooks& hooks)
      : study_(study), problem_(problem), hooks_(hooks) {}

  Json run() {
    plans_ =
        draw_plans(problem_, study_.ranks, study_.plans_per_rank_count, study_.seed, study_.memory, *hooks_.evaluator);
    measure();
    const Predictions ours = predict(problem_.profile), plain = predict(plain_profile(problem_.cluster));
    return document(ours, plain);
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
    const int total = study_.rounds * static_cast<int>(plans_.size());
    for (int round = 0; round < study_.rounds; ++round) {
      for (size_t i = order.size(); i > 1; --i)
        std::swap(order[i - 1], order[splitmix64(study_.seed + 1000 * static_cast<uint64_t>(round) + i) % i]);
      for (const size_t plan : order) {
        last_[plan] = hooks_.execute(plans_[plan].plan, study_.steps);
        repeats_[plan].push_back(last_[plan].step_seconds);
        hooks_.progress(++done, total);
      }
    }
  }

  Predictions predict(const Profile& profile) {
    std::vector<Plan> plans;
    for (size_t i = 0; i < plans_.size(); ++i)
      for (const bool recorded : {false, true}) {
        Plan plan = plans_[i].plan;
        plan.profile = profile;
        if (recorded) plan.routing = beginning_at(last_[i].routing, last_[i].routing_step, plan.layout.micro_batches);
        plans.push_back(std::move(plan));
      }
    const std::vector<Evaluation> evaluations = hooks_.evaluator->evaluate(plans);
    Predictions predictions;
    for (size_t i = 0; i < plans_.size(); ++i) {
      predictions.as_planned.push_back(evaluations[2 * i].prediction.step_seconds);
      predictions.with_recorded_routing.push_back(evaluations[2 * i + 1].prediction.step_seconds);
    }
    return predictions;
  }

  Json document(const Predictions& ours, const Predictions& plain) const {
    std::vector<MeasuredPlan> plans;
    Json rows = Json::array();
    for (size_t i = 0; i < plans_.size(); ++i) {
      const MeasuredPlan plan = {plans_[i].plan.layout.ranks,   repeats_[i],         ours.as_planned[i],
                                 ours.with_recorded_routing[i], plain.as_planned[i], plain.with_recorded_routing[i]};
      rows.push_back(write_row(plans_[i], plan));
      plans.push_back(plan);
    }
    return {{"kind", "moesaic.result/1"},
            {"experiment", study_.name},
            {"machine", problem_.profile.machine},
            {"profile_date", problem_.profile.date},
            {"plans", plans_.size()},
            {"rounds", study_.rounds},
            {"steps", study_.steps},
            {"summary", fidelity_summary(plans)},
            {"rows", rows}};
  }

  const FidelityStudy& study_;
  const planner::Problem& problem_;
  const StudyHooks& hooks_;
  std::vector<DrawnPlan> plans_;
  std::vector<std::vector<double>> repeats_;  // [plans, rounds] seconds
  std::vector<Execution> last_;               // [plans]
};

}  // namespace

FidelityStudy read_fidelity_study(const Json& json, const std::string& file) {
  ObjectReader reader = open_document(json, file, "", "experiment");
  FidelityStudy study;
  study.name = reader["name"].text();
  study.question = reader["question"].text();
  study.model = reader["model"].text();
  study.workload = reader["workload"].text();
  study.routing = reader["routing"].text("");
  study.machine = reader["machine"].text();
  study.ranks = reader["ranks"].integers<int>(kCount);
  study.plans_per_rank_count = static_cast<int>(reader["plans_per_rank_count"].integer({2, 1000}));
  study.memory = reader["memory"].boolean(false);
  study.rounds = static_cast<int>(reader["rounds"].integer({2, 100}));
  study.steps = reader["steps"].integer({3, 100000});
  study.seed = reader["seed"].seed(1);
  reader.finish();
  return study;
}

Json run_fidelity_study(const FidelityStudy& study, const planner::Problem& problem, const StudyHooks& hooks) {
  return Study(study, problem, hooks).run();
}

}  // namespace moesaic::experiments
