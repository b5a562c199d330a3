#include "experiments/15_what_does_simulating_cost/study.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "tests/experiments/small_model.h"

namespace moesaic::experiments {
namespace {

Json cost_experiment() {
  return Json::parse(R"({"kind": "moesaic.experiment/1", "study": "simulation_cost", "name": "15", "question": "?",
    "model": "small", "cluster": "nodes", "ep": 4, "sequence_length": 64, "engines": ["a", "b"],
    "zipf_exponents": [0, 1], "clusters": {"gpus": [2, 4, 8], "layers": 2},
    "models": {"layers": [1, 2], "gpus": 4}, "rounds": 3})");
}

Cluster nodes() {
  Cluster cluster;
  cluster.name = "nodes";
  cluster.num_nodes = 1, cluster.devices_per_node = 4;
  return cluster;
}

/// Core seconds: lowering 1 per layer; simulating gpus^2 for engine a, gpus for b, each time a hundredth longer. Bytes:
/// 10 per GPU and layer. The step takes one second per layer, by b a thousandth more.
struct CostWorld {
  Laboratory laboratory;
  int simulations = 0;

  CostWorld() {
    laboratory.model = [](const std::string&) { return small_model(); };
    laboratory.cluster = [](const std::string&) { return nodes(); };
    laboratory.simulation_cost = [this](const Plan& plan, const std::string& engine) {
      const double gpus = plan.layout.ranks;
      SimulationCost cost;
      cost.graph_tasks = plan.model.num_layers, cost.tasks = cost.graph_tasks * plan.layout.ranks;
      cost.lower_cpu_seconds = plan.model.num_layers;
      cost.simulate_cpu_seconds = (engine == "a" ? gpus * gpus : gpus) * (1 + 0.01 * (simulations++ / 16));
      cost.begin_bytes = 1, cost.lowered_bytes = 2, cost.peak_bytes = 10 * cost.tasks;
      cost.step_seconds = plan.model.num_layers * (engine == "a" ? 1 : 1.001);
      return cost;
    };
  }
};

// 3 clusters and of the models the one that is not among them, by engine and routing.
TEST(SimulationCostStudy, MeasuresEachStepOnce) {
  const CostAxes axes = read_cost_axes(cost_experiment(), "experiment.json");
  const std::vector<CostCase> cases = cost_cases(axes);
  ASSERT_EQ(cases.size(), 16U);
  EXPECT_EQ(std::vector<CostCase>(cases.begin(), cases.begin() + 5),
            (std::vector<CostCase>{{"a", 0, 2, 2}, {"a", 0, 4, 2}, {"a", 0, 8, 2}, {"a", 0, 4, 1}, {"a", 1, 2, 2}}));
  EXPECT_EQ(cases.back(), (CostCase{"b", 1, 4, 1}));
}

TEST(SimulationCostStudy, PlansNameTheSize) {
  const CostAxes axes = read_cost_axes(cost_experiment(), "experiment.json");
  const Plan plan = cost_plan(axes, {"a", 1, 8, 5}, small_model(), nodes());
  EXPECT_EQ(plan.cluster.num_nodes, 2);  // of 4 GPUs
  EXPECT_EQ(plan.layout.ranks, 8);
  EXPECT_EQ(plan.layout.ep, 4);
  EXPECT_EQ(plan.workload.global_batch, 8);
  EXPECT_EQ(plan.model.moe_layers, (std::vector<bool>{false, true, true, true, true}));  // as the last of 3
  EXPECT_EQ(plan.routing.generator.zipf_exponent, 1);
  EXPECT_EQ(cost_plan(axes, {"a", 0, 2, 1}, small_model(), nodes()).layout.ep, 2);  // no more than GPUs
}

// Rounds are 1, 1.01 and 1.02 times as long: medians are 1.01 times. Along GPUs a: 2 + 4.04 at 2, 2 + 16.16 at 4 and
// 2 + 64.64 at 8 GPUs, of order log2(66.64 / 18.16); bytes 40, 80, 160, of order 1.
TEST(SimulationCostStudy, SummarizesMediansAndOrders) {
  CostWorld world;
  const CostResult result = run_cost_study(read_cost_axes(cost_experiment(), "experiment.json"), world.laboratory);
  EXPECT_EQ(world.simulations, 48);
  ASSERT_EQ(result.rows.size(), 16U);
  EXPECT_EQ(result.rows[2].simulate_core_s, (std::vector<double>{64, 64 * 1.01, 64 * 1.02}));
  ASSERT_EQ(result.summary.size(), 8U);  // two axes, two engines, two routings
  const CostGrowth& growth = result.summary.front();
  EXPECT_EQ(growth.axis, "gpus");
  EXPECT_NEAR(growth.smallest_core_s, 6.04, 1e-12);
  EXPECT_NEAR(growth.largest_core_s, 66.64, 1e-12);
  EXPECT_NEAR(growth.order_of_core_s, std::log2(66.64 / 18.16), 1e-12);
  EXPECT_EQ(growth.smallest_bytes, 40);
  EXPECT_EQ(growth.largest_bytes, 160);
  EXPECT_NEAR(growth.order_of_bytes, 1, 1e-12);
  EXPECT_NEAR(result.widest_difference_of_engines, 1e-3, 1e-12);
  EXPECT_NE(cost_tables(result).find("| 8 | 16 | 2.000 | 66.640 | 0 |"), std::string::npos) << cost_tables(result);
}

TEST(SimulationCostStudy, SummarizesTheSameFromItsRows) {
  CostWorld world;
  const Json whole = kCostStudy.run(cost_experiment(), "experiment.json", world.laboratory);
  Json emptied = whole;
  emptied["summary"] = Json::array(), emptied["widest_difference_of_engines"] = 7;
  EXPECT_EQ(kCostStudy.summarize(emptied, "result.json").dump(), whole.dump());
}

TEST(SimulationCostStudy, RefusesAxesThatItCannotMeasure) {
  Json wrong = cost_experiment();
  wrong["clusters"]["gpus"][1] = 0;
  EXPECT_THROW(read_cost_axes(wrong, "experiment.json"), InputError);
  wrong = cost_experiment();
  wrong["models"]["depth"] = 3;
  EXPECT_THROW(read_cost_axes(wrong, "experiment.json"), InputError);
}

}  // namespace
}  // namespace moesaic::experiments
