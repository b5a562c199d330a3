#include "experiments/08_what_does_2d_prefetch_hide/study.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace moesaic::experiments {
namespace {

Json grid_experiment() {
  return Json::parse(R"({"kind": "moesaic.experiment/1", "study": "prefetch_grid", "name": "08", "question": "?",
    "rounds": 3, "steps": 5, "scenarios": [
      {"name": "here", "model": "m", "cluster": "c", "workload": "w", "ranks": 2, "ep": 2, "cached_share": 0.5,
       "fused_parameter_bytes": "1 MB", "execute": true},
      {"name": "there", "model": "m", "cluster": "c", "workload": "w", "ranks": 2, "ep": 2, "cached_share": 1,
       "fused_parameter_bytes": "1 MB"}]})");
}

planner::Problem grid_problem(const DocumentNames&) {
  planner::Problem p;
  p.model.num_layers = 2, p.model.hidden = 16, p.model.num_heads = p.model.num_kv_heads = 4, p.model.head_dim = 4;
  p.model.vocabulary = 256, p.model.num_experts = 4, p.model.top_k = 1, p.model.expert_intermediate = 32;
  p.model.moe_layers = {true, true};
  p.cluster.devices_per_node = 2;
  p.cluster.device.memory_bytes = 1'000'000'000;
  p.cluster.host_memory_bytes = p.cluster.storage_bytes = 1'000'000'000;
  p.cluster.storage_read_bytes_per_s = p.cluster.storage_write_bytes_per_s = 1e9;
  p.workload.sequence_length = 8;
  p.workload.global_batch = 2;
  return p;
}

/// One rank that does nothing but exchange: all of the step is exposed communication.
Timeline exchange_of(Seconds seconds) {
  Timeline timeline;
  timeline.step_seconds = seconds;
  timeline.rows = {{"dispatch", Op::all_to_all, Lane::network, Phase::forward, 0}};
  timeline.times = {{0, 0, 0, seconds}};
  return timeline;
}

// 2 layers of 4 experts on 2 ranks are 4 slots of a rank, of which half are cached.
TEST(PrefetchGrid, FourPlansOfOneScenario) {
  const GridAxes axes = read_grid_axes(grid_experiment(), "08");
  const std::vector<Plan> plans = grid_plans(axes.scenarios.at(0), grid_problem({}));
  ASSERT_EQ(plans.size(), 4u);
  for (size_t cell = 0; cell < 4; ++cell) {
    EXPECT_EQ(plans[cell].prefetch.dense, cell == 1 || cell == 3 ? 1 : 0);
    EXPECT_EQ(plans[cell].prefetch.experts, cell >= 2 ? 1 : 0);
    EXPECT_EQ(plans[cell].expert_storage.cache_entries, 2);
  }
}

// Executions last 1, 2, 3, ... s in their order, so the cells of three rounds 1, 5, 9; 2, 6, 10; 3, 7, 11; 4, 8, 12.
// Simulations last 20 s.
TEST(PrefetchGrid, ExecutesInTurnsWhereTheScenarioSaysSo) {
  int runs = 0;
  Laboratory laboratory;
  laboratory.problem = grid_problem;
  laboratory.simulate = [](const Plan&) { return exchange_of(20); };
  laboratory.execute = [&](const Plan&, int64_t steps, Way way) {
    EXPECT_EQ(steps, 5);
    EXPECT_EQ(way, Way::pinned);
    Execution run;
    run.timeline = exchange_of(++runs);
    return run;
  };
  const GridResult result = run_grid_study(read_grid_axes(grid_experiment(), "08"), laboratory);
  ASSERT_EQ(result.scenarios.size(), 2u);
  std::vector<double> measured;
  for (const GridCell& cell : result.scenarios[0].cells) {
    EXPECT_EQ(cell.simulated.exposed_communication_s, 20);
    measured.push_back(cell.measured.value().exposed_communication_s);
  }
  EXPECT_EQ(measured, (std::vector<double>{5, 6, 7, 8}));
  for (const GridCell& cell : result.scenarios[1].cells) EXPECT_FALSE(cell.measured.has_value());
  const std::string tables = grid_tables(result);
  EXPECT_NE(tables.find("| both | 20000.00 | 20000.00 | 0.00 | 8000.00 | 8000.00 | 0.00 |\n"), std::string::npos)
      << tables;
}

}  // namespace
}  // namespace moesaic::experiments
