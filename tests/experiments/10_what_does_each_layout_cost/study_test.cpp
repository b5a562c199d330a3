#include "experiments/10_what_does_each_layout_cost/study.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/error.h"

namespace moesaic::experiments {
namespace {

Json layout_experiment(const std::string& fixed) {
  return Json::parse(
      R"({"kind": "moesaic.experiment/1", "study": "layouts", "name": "10", "question": "?", "rounds": 3, "steps": 5,
    "scenarios": [{"name": "here", "model": "m", "cluster": "c", "workload": "w", "ranks": 4, "global_batch": 32,
                   "execute": true, "rows": [{"name": "whole", "layout": {"ep": 4, "micro_batches": 1}},
                                             {"name": "staged", "layout": )" +
      fixed + "}]}]}");
}

planner::Problem layout_problem() {
  planner::Problem p;
  p.model.num_layers = 2, p.model.hidden = 16, p.model.num_heads = p.model.num_kv_heads = 4, p.model.head_dim = 4;
  p.model.vocabulary = 256, p.model.num_experts = 4, p.model.top_k = 1, p.model.expert_intermediate = 32;
  p.model.moe_layers = {true, true};
  p.cluster.devices_per_node = 4;
  p.cluster.device.memory_bytes = 1'000'000'000;
  p.workload.sequence_length = 8;
  return p;
}

/// 4 s and 900 bytes with one stage, 3 s and 500 bytes with two.
struct LayoutEvaluator : Evaluator {
  std::vector<Evaluation> evaluate(std::span<const Plan> plans) override {
    std::vector<Evaluation> evaluations(plans.size());
    for (size_t i = 0; i < plans.size(); ++i) {
      const bool staged = plans[i].layout.pp == 2;
      evaluations[i].prediction.step_seconds = staged ? 3 : 4;
      evaluations[i].prediction.peak_bytes["device"] = staged ? 500 : 900;
    }
    return evaluations;
  }
};

/// Executions take 1, 2, 3, ... seconds in their order.
LayoutResult layout_result() {
  LayoutEvaluator evaluator;
  int runs = 0;
  Laboratory laboratory;
  laboratory.problem = [](const DocumentNames&) { return layout_problem(); };
  laboratory.evaluator = &evaluator;
  laboratory.execute = [&](const Plan&, int64_t steps, Way way) {
    EXPECT_EQ(steps, 5);
    EXPECT_EQ(way, Way::pinned);
    ++runs;
    Execution run;
    run.step_seconds = runs;
    run.exposed_communication_seconds = 0.5;
    run.peak_device_bytes = 100 * runs;
    return run;
  };
  return run_layout_study(read_layout_axes(layout_experiment(R"({"pp": 2, "ep": 2, "micro_batches": 4})"), "10"),
                          laboratory);
}

TEST(LayoutStudy, PlansFixWhatTheRowsSay) {
  const LayoutAxes axes = read_layout_axes(layout_experiment(R"({"pp": 2, "ep": 2, "micro_batches": 4})"), "10");
  const std::vector<Plan> plans = layout_plans(axes.scenarios[0], layout_problem());
  ASSERT_EQ(plans.size(), 2u);
  EXPECT_EQ(plans[0].layout, (Layout{4, 4, 1}));
  Layout staged{4, 2, 4};
  staged.pp = 2;
  EXPECT_EQ(plans[1].layout, staged);
  EXPECT_EQ(plans[1].workload.global_batch, 32);
}

TEST(LayoutStudy, RefusesARowThatIsNotLegal) {
  const LayoutAxes axes = read_layout_axes(layout_experiment(R"({"pp": 2, "zero": 3})"), "10");
  EXPECT_THROW(layout_plans(axes.scenarios[0], layout_problem()), InputError);
  EXPECT_THROW(read_layout_axes(layout_experiment(R"({"stages": 2})"), "10"), InputError);
}

// Interleaved: the first row runs as 1, 3, 5, the second one as 2, 4, 6; medians 3 and 4.
TEST(LayoutStudy, TakesMediansOfInterleavedRounds) {
  const std::vector<LayoutResultRow> rows = layout_result().scenarios.at(0).rows;
  EXPECT_EQ(rows.at(0).measured->step_s, 3.0);
  EXPECT_EQ(rows.at(1).measured->step_s, 4.0);
  EXPECT_EQ(rows.at(1).measured->peak_device_bytes, 400);
  EXPECT_EQ(rows.at(0).simulated.step_s, 4.0);
  EXPECT_EQ(rows.at(1).simulated.peak_device_bytes, 500);
}

TEST(LayoutStudy, TablesHaveARowPerLayout) {
  const std::string tables = layout_tables(layout_result());
  EXPECT_NE(tables.find("| staged | 3000.0 | 0.0 | 0.0 | 4000.0 | 500.0 | 0.0 | -25.0 % |\n"), std::string::npos)
      << tables;
}

}  // namespace
}  // namespace moesaic::experiments
