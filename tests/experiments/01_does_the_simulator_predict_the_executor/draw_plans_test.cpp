#include "experiments/01_does_the_simulator_predict_the_executor/draw_plans.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/plan/plan.h"
#include "core/schema/documents.h"

namespace moesaic::experiments {
namespace {

/// Prices a plan by its own fields, so that the test knows which plans are near the best: 10 s, and 1 s more per
/// microbatch and chunk beyond the first.
class ByFields final : public Evaluator {
 public:
  std::vector<Evaluation> evaluate(std::span<const Plan> plans) override {
    std::vector<Evaluation> evaluations(plans.size());
    for (size_t i = 0; i < plans.size(); ++i)
      evaluations[i].prediction.step_seconds = 8.0 + plans[i].layout.micro_batches + plans[i].dispatch.chunks;
    return evaluations;
  }
};

planner::Problem fidelity_problem() {
  const std::string profiles = MOESAIC_SOURCE_DIR "/profiles/";
  const auto json = [&](const std::string& file) { return read_json(profiles + file); };
  planner::Problem p;
  p.model = read_model(json("models/gpt-moe-tiny.json"), "model");
  p.cluster = read_cluster(json("clusters/cpu-2core.json"), "cluster");
  p.workload = read_workload(json("workloads/cpu-demo.json"), "workload");
  return p;
}

TEST(DrawPlans, EveryLegalPlanIsValidAndDifferent) {
  // One rank, 8 sequences: microbatches 1, 2, 4, 8, ragged or padded: 8 plans.
  EXPECT_EQ(legal_plans(fidelity_problem(), 1, false).size(), 8u);
  // Two ranks: microbatches 1, 2, 4; 2 dispatches; 3 buckets; ep 1: 3 * 2 * 3 = 18; ep 2: times 2 placements and 3
  // chunk counts = 108.
  const std::vector<DrawnPlan> two = legal_plans(fidelity_problem(), 2, false);
  EXPECT_EQ(two.size(), 126u);
  std::set<std::string> names;
  for (const DrawnPlan& drawn : two) {
    EXPECT_NO_THROW(check_plan(drawn.plan, drawn.what));
    EXPECT_TRUE(names.insert(drawn.what).second) << drawn.what;
  }
}

// One rank: all of the 11 decisions about memory are legal but tp 2 and 2 stages (dividing among one changes nothing):
// 8 * (1 + 9).
TEST(DrawPlans, MemoryDecisionsComeOnTop) {
  EXPECT_EQ(legal_plans(fidelity_problem(), 1, true).size(), 8u * 10);
  const std::vector<DrawnPlan> two = legal_plans(fidelity_problem(), 2, true);
  for (const DrawnPlan& drawn : two) EXPECT_NO_THROW(check_plan(drawn.plan, drawn.what));
  // 2 stages of one rank each: every plan with ep 1.
  EXPECT_EQ(std::count_if(two.begin(), two.end(), [](const DrawnPlan& d) { return d.plan.layout.pp == 2; }), 18);
}

TEST(DrawPlans, HalfOfTheDrawnPlansAreNearTheBest) {
  ByFields evaluator;
  const std::vector<DrawnPlan> drawn = draw_plans(fidelity_problem(), {2}, 10, 1, false, evaluator);
  ASSERT_EQ(drawn.size(), 10u);
  EXPECT_EQ(std::count_if(drawn.begin(), drawn.end(), [](const DrawnPlan& d) { return d.near_best; }), 5);
  for (const DrawnPlan& d : drawn) {
    // The best has 1 microbatch and 1 chunk, 10 s; within 20 % is up to 12 s.
    EXPECT_EQ(d.near_best, d.plan.layout.micro_batches + d.plan.dispatch.chunks <= 4) << d.what;
  }
}

// 12 decisions about memory, that of none included, and 20 plans: each is drawn once or twice.
TEST(DrawPlans, NoMemoryDecisionIsLeftOut) {
  ByFields evaluator;
  std::map<std::string, int> draws;
  for (const DrawnPlan& drawn : draw_plans(fidelity_problem(), {2}, 20, 2, true, evaluator)) ++draws[drawn.memory];
  EXPECT_EQ(draws.size(), 12u);
  for (const auto& [memory, count] : draws) EXPECT_TRUE(count == 1 || count == 2) << memory << ": " << count;
}

TEST(DrawPlans, TheSeedDecides) {
  ByFields evaluator;
  const auto names = [&](uint64_t seed) {
    std::vector<std::string> what;
    for (const DrawnPlan& drawn : draw_plans(fidelity_problem(), {1, 2}, 6, seed, false, evaluator))
      what.push_back(drawn.what);
    return what;
  };
  EXPECT_EQ(names(1), names(1));
  EXPECT_NE(names(1), names(2));
}

}  // namespace
}  // namespace moesaic::experiments
