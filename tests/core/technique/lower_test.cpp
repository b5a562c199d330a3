#include "core/technique/lower.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "core/graph/routing_binding.h"
#include "core/schema/documents.h"
#include "core/steps/baseline_step.h"
#include "tests/core/graph/tiny_plan.h"
#include "tests/core/schema/shipped_documents.h"

namespace moesaic {
namespace {

// But for what every plan looks at before it updates.
TEST(Lower, APlanWithoutTechniquesIsTheBaseline) {
  const Plan plan = testing::tiny_plan(4, 2);
  std::vector<std::string> labels = testing::labels_of(lower(plan));
  std::erase_if(labels, [](const std::string& label) { return label.starts_with("update / check gradients from"); });
  EXPECT_EQ(labels, testing::labels_of(baseline_step(plan)));
}

/// 16 ranks in groups of 8 over nodes of 4, everything switched on.
Plan all_techniques(const Model& model) {
  Plan plan = testing::tiny_plan(16, 8);
  plan.model = model;
  plan.cluster.num_nodes = 4, plan.cluster.devices_per_node = 4;
  plan.workload.global_batch = 32, plan.workload.sequence_length = 16;
  plan.layout.micro_batches = 2;
  plan.dispatch = {DispatchKind::ragged, 0, AllToAllKind::hierarchical_2d, 4};
  plan.gradient_bucket_bytes = 16 << 20;
  plan.routing.generator = {1.2, 5, true};
  check_plan(plan, model.name);
  return plan;
}

/// Rows of all ranks by microbatch, layer, phase and leg.
std::map<std::tuple<int, int, Phase, Leg>, int64_t> rows_by_leg(const TaskGraph& graph, const Plan& plan) {
  const RoutingBinding binding(plan);
  std::map<std::tuple<int, int, Phase, Leg>, int64_t> rows;
  for (const Task& task : graph.tasks)
    if (task.op == Op::all_to_all)
      for (int rank = 0; rank < graph.num_ranks; ++rank)
        rows[{task.microbatch, task.moe_layer, task.phase, task.leg}] += binding.rows(task, rank, 0);
  return rows;
}

// 32 sequences of 16 tokens in 2 microbatches: 256 tokens, top_k rows each, on every leg of every exchange.
TEST(Lower, AllTechniquesTogetherKeepEveryRowOfEveryShippedModel) {
  int models = 0;
  for (const std::string& path : testing::shipped("models")) {
    const Model model = read_model(read_json(path), path);
    if (model.family != "gpt_moe" || model.num_experts % 8 != 0) continue;  // for ep 8
    SCOPED_TRACE(path);
    const Plan plan = all_techniques(model);
    const TaskGraph graph = lower(plan);  // verifies after every pass
    const auto rows = rows_by_leg(graph, plan);
    EXPECT_EQ(rows.size(), static_cast<size_t>(2 * model.num_moe_layers() * 2 * 4));
    for (const auto& [leg, count] : rows) EXPECT_EQ(count, 256 * model.top_k);
    ++models;
  }
  EXPECT_EQ(models, 10);
}

TEST(Lower, TheSamePlanGivesTheSameGraph) {
  const std::string path = testing::profiles("models/gpt-moe-tiny.json");
  const Plan plan = all_techniques(read_model(read_json(path), path));
  const TaskGraph a = lower(plan), b = lower(plan);
  ASSERT_EQ(testing::labels_of(a), testing::labels_of(b));
  for (size_t i = 0; i < a.tasks.size(); ++i) {
    EXPECT_EQ(a.tasks[i].dependencies, b.tasks[i].dependencies);
    EXPECT_EQ(a.tasks[i].sequence, b.tasks[i].sequence);
  }
}

}  // namespace
}  // namespace moesaic
