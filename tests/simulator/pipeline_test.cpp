// A pipeline in simulated time: passes of known length through stages whose order 1F1B gives.
#include <gtest/gtest.h>

#include "core/graph/communicators.h"
#include "core/graph/stages.h"
#include "core/steps/pipeline.h"
#include "core/technique/lower.h"
#include "core/timeline/breakdown.h"
#include "tests/core/graph/tiny_plan.h"
#include "tests/simulator/hand_made_graph.h"

namespace moesaic::simulator {
namespace {

/// One rank per stage.
Plan staged(int stages) {
  Plan plan = small_plan(stages, 1);
  plan.layout.pp = stages;
  return plan;
}

/// Forward 10 us, backward 20 us, between stages `bytes` over 1 GB/s. At the end the stages meet, as they do before
/// they update weights.
TaskGraph pipeline(const Plan& plan, int microbatches, Bytes bytes) {
  TaskGraph graph;
  graph.num_ranks = graph.num_stages = plan.layout.pp;
  graph.communicators = communicators_of(plan.layout, plan.cluster, plan.elastic);
  graph.tokens_per_rank = 1;
  std::vector<TensorId> x(static_cast<size_t>(microbatches), -1);  // what the next pass of a microbatch reads
  for (const PipelineStep& step : one_forward_one_backward(plan.layout.pp, microbatches)) {
    const auto [backward, stage, microbatch] = step.pass;
    const std::string label = std::to_string(graph.tasks.size());
    TensorId& input = x[static_cast<size_t>(microbatch)];
    Task& task =
        graph.tasks[step.sends ? add_all_gather(graph, label, 0, 0) : add_compute(graph, label, backward ? 20 : 10)];
    task.stage = stage;
    if (step.sends) {
      task.op = Op::all_to_all;
      task.leg = backward ? Leg::previous_stage : Leg::next_stage;
      task.other_stage = backward ? stage - 1 : stage + 1;
      task.communicator = graph.find_communicator("stages " + std::to_string(std::min(stage, task.other_stage)) +
                                                  " and " + std::to_string(std::max(stage, task.other_stage)));
      task.bytes_per_row = bytes;
    }
    if (input >= 0) task.reads = {input};
    Tensor tensor;
    tensor.fixed_rows = 1;
    tensor.row_elements = 250;  // 1000 bytes
    input = graph.add(tensor);
    task.writes = {input};
  }
  graph.tasks[add_all_gather(graph, "meet", 0, 0)].reads = x;
  link_dependencies(graph);
  return graph;
}

// Free transfers: (m + p - 1) (10 + 20) = 4 * 30 us, each stage idle for 30 of them.
TEST(Pipeline, TakesItsBubbleOnceMore) {
  const Plan plan = staged(2);
  const SimulationResult result = simulate_in_child(pipeline(plan, 3, 1), plan);
  EXPECT_NEAR(result.evaluation.prediction.step_seconds, 120e-6, 1e-8);
  EXPECT_EQ(result.evaluation.prediction.tasks, 2 * 6 + 2 * 6 + 2);  // passes; sends, on two ranks each; the end
}

// p stages wait for (p - 1) of m + p - 1 passes there and back, and what they wait for is no communication.
TEST(Pipeline, HasTheBubbleOfOneForwardOneBackward) {
  for (const auto& [stages, microbatches] : {std::pair{2, 1}, {2, 3}, {3, 2}, {4, 8}}) {
    const Plan plan = staged(stages);
    const SimulationResult result = simulate_in_child(pipeline(plan, microbatches, 0), plan);
    const Prediction& prediction = result.evaluation.prediction;
    const int passes = microbatches + stages - 1;
    EXPECT_NEAR(prediction.step_seconds, passes * 30e-6, 1e-12) << stages << " stages, " << microbatches;
    EXPECT_NEAR(prediction.bubble_seconds, (stages - 1) * 30e-6, 1e-12) << stages << " stages, " << microbatches;
    EXPECT_NEAR(prediction.exposed_communication_seconds, 0, 1e-12) << stages << " stages, " << microbatches;
  }
}

// 8 stages of 8 microbatches: a stage works for 8 * 30 us and waits for 7 * 30, 87.5 % on top of its work.
TEST(Pipeline, EightStagesOfEightMicrobatchesWaitSevenEighthsOfTheirWork) {
  const Plan plan = staged(8);
  const Prediction prediction = simulate_in_child(pipeline(plan, 8, 0), plan).evaluation.prediction;
  EXPECT_NEAR(prediction.bubble_seconds, 210e-6, 1e-12);
  EXPECT_NEAR(prediction.bubble_seconds / (prediction.step_seconds - prediction.bubble_seconds), 0.875, 1e-9);
}

// Transfers of 1 us. The last stage begins at 10 + 1 and is done with microbatch 0 at 41. What follows in it from that,
// through the first stage, comes back after 1 + 20 + 10 + 1 = 32 us, at 73, though it has other work for 30 of them
// only. Then 30 more, 1 and 20.
TEST(Pipeline, PaysTransfersWhereStagesWaitForOneAnother) {
  const Plan plan = staged(2);
  const SimulationResult result = simulate_in_child(pipeline(plan, 3, 1000), plan);
  EXPECT_NEAR(result.evaluation.prediction.step_seconds, 124e-6, 1e-9);
}

/// Two stages of two ranks with a MoE layer each.
Plan training_plan() {
  Plan plan = moesaic::testing::tiny_plan(4, 2);
  plan.model.num_layers = 2;
  plan.model.moe_layers = {true, true};
  plan.workload.global_batch = 8;
  plan.layout.pp = plan.layout.micro_batches = 2;
  plan.cluster = small_plan(2, 2).cluster;
  plan.profile = small_plan(2, 2).profile;
  return plan;
}

// Until its last task a rank always has one open: compute + exposed + bubble + the time after its end = step.
TEST(Pipeline, OfAWholeStepIsComputeExposedCommunicationAndBubble) {
  const Plan plan = training_plan();
  const SimulationResult result = simulate_in_child(lower(plan), plan);
  PhaseTime sum;
  for (const PhaseTime& phase : step_breakdown(result.timeline))
    for (Seconds PhaseTime::*field : kPhaseTimeFields) sum.*field += phase.*field;
  std::vector<Seconds> last(4, 0);
  for (const TaskTime& time : result.timeline.times)
    last[static_cast<size_t>(time.rank)] = std::max(last[static_cast<size_t>(time.rank)], time.end);
  const Seconds step = result.evaluation.prediction.step_seconds;
  const Seconds after = step - std::accumulate(last.begin(), last.end(), 0.0) / 4;
  EXPECT_NEAR(sum.compute + sum.exposed_communication + sum.bubble + after, step, 1e-12);
  EXPECT_GT(sum.bubble, 0);
  EXPECT_EQ(sum.bubble, result.evaluation.prediction.bubble_seconds);
  EXPECT_EQ(sum.exposed_communication, result.evaluation.prediction.exposed_communication_seconds);
}

}  // namespace
}  // namespace moesaic::simulator
