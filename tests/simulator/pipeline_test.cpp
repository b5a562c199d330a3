// A pipeline in simulated time: passes of known length through two stages whose order 1F1B gives.
#include <gtest/gtest.h>

#include "core/graph/stages.h"
#include "tests/simulator/hand_made_graph.h"

namespace moesaic::simulator {
namespace {

/// Forward 10 us, backward 20 us, between stages `bytes` over 1 GB/s.
TaskGraph pipeline(const Plan& plan, int microbatches, Bytes bytes) {
  TaskGraph graph = empty_graph(plan);
  graph.num_stages = 2;
  graph.tokens_per_rank = 1;
  std::vector<TensorId> x(static_cast<size_t>(microbatches), -1);  // what the next pass of a microbatch reads
  for (const PipelineStep& step : one_forward_one_backward(2, microbatches)) {
    const auto [backward, stage, microbatch] = step.pass;
    const std::string label = std::to_string(graph.tasks.size());
    TensorId& input = x[static_cast<size_t>(microbatch)];
    Task& task = graph.tasks[static_cast<size_t>(step.sends ? add_all_gather(graph, label, 0, 0)
                                                            : add_compute(graph, label, backward ? 20 : 10))];
    task.stage = stage;
    if (step.sends) {
      task.op = Op::all_to_all;
      task.leg = backward ? Leg::previous_stage : Leg::next_stage;
      task.other_stage = backward ? stage - 1 : stage + 1;
      task.bytes_per_row = bytes;
    }
    if (input >= 0) task.reads = {input};
    Tensor tensor;
    tensor.fixed_rows = 1;
    tensor.row_elements = 250;  // 1000 bytes
    graph.tensors.push_back(tensor);
    input = static_cast<TensorId>(graph.tensors.size()) - 1;
    task.writes = {input};
  }
  link_dependencies(graph);
  return graph;
}

// Free transfers: (m + p - 1) (10 + 20) = 4 * 30 us, each stage idle for 30 of them.
TEST(Pipeline, TakesItsBubbleOnceMore) {
  const Plan plan = small_plan(2, 1);
  const SimulationResult result = simulate_in_child(pipeline(plan, 3, 1), plan);
  EXPECT_NEAR(result.evaluation.prediction.step_seconds, 120e-6, 1e-8);
  EXPECT_EQ(result.evaluation.prediction.tasks, 2 * 6 + 2 * 6);  // passes; sends, on two ranks each
}

// Transfers of 1 us. The last stage begins at 10 + 1 and is done with microbatch 0 at 41. What follows in it from that,
// through the first stage, comes back after 1 + 20 + 10 + 1 = 32 us, at 73, though it has other work for 30 of them
// only. Then 30 more, 1 and 20.
TEST(Pipeline, PaysTransfersWhereStagesWaitForOneAnother) {
  const Plan plan = small_plan(2, 1);
  const SimulationResult result = simulate_in_child(pipeline(plan, 3, 1000), plan);
  EXPECT_NEAR(result.evaluation.prediction.step_seconds, 124e-6, 1e-9);
}

}  // namespace
}  // namespace moesaic::simulator
