#include "core/cost/task_work.h"

#include <gtest/gtest.h>

#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

/// 4 ranks in 2 nodes and 2 expert-parallel groups; rows [source][expert], experts 0 and 1 on even ranks. Nobody sends
/// rows to expert 1 of group {2, 3}.
Plan recorded_plan() {
  Plan plan = testing::tiny_plan(4, 2);
  plan.routing.counts = {1, 2, 3, 2, /**/ 5, 1, 1, 1, /**/ 6, 0, 1, 1, /**/ 3, 0, 2, 3};
  plan.routing.num_iterations = 1, plan.routing.num_moe_layers = 1;
  plan.routing.num_sources = 4, plan.routing.num_experts = 4;
  return plan;
}

struct Step {
  Plan plan = recorded_plan();
  TaskGraph graph;
  Step() {
    graph.num_ranks = 4;
    graph.communicators = {{"ep", {{0, 1}, {2, 3}}, {0, 0, 1, 1}}, {"world", {{0, 1, 2, 3}}, {0, 0, 0, 0}}};
  }

  TaskWork work(const Task& task, int rank) {
    graph.tasks = {task};
    return WorkOfTasks(graph, plan, 0).of(0, rank);
  }
};

void expect_work(const TaskWork& found, const TaskWork& expected) {
  EXPECT_EQ(found.flops, expected.flops);
  EXPECT_EQ(found.memory_bytes, expected.memory_bytes);
  EXPECT_EQ(found.intra_node_bytes, expected.intra_node_bytes);
  EXPECT_EQ(found.inter_node_bytes, expected.inter_node_bytes);
  EXPECT_EQ(found.moved_bytes, expected.moved_bytes);
}

Task task_of(Op op, Rows rows = Rows::fixed) {
  Task task;
  task.label = name_of(op), task.op = op, task.rows = rows;
  task.moe_layer = rows == Rows::fixed ? -1 : 0;
  return task;
}

// 3 rows of 8 times a matrix of 8 x 16: 2 * 3 * 16 * 8 flops; 4 bytes for each of 3 * 8 + 3 * 16 + 16 * 8 numbers.
TEST(TaskWork, OfAProduct) {
  Task linear = task_of(Op::linear);
  linear.fixed_rows = 3, linear.shape.n = 16, linear.shape.k = 8;
  expect_work(Step().work(linear, 1), {.flops = 768, .memory_bytes = 800});
  linear.dtype = DType::bf16;
  expect_work(Step().work(linear, 1), {.flops = 768, .memory_bytes = 400});
  linear.fixed_rows = 0;
  expect_work(Step().work(linear, 1), {});
}

// Rank 0 receives 1 + 5 rows of expert 0 and 2 + 1 of expert 1; rank 2 receives 6 + 3 of expert 0. Of 9 rows with H 8
// and F 16: 2 * 2 * 9 * 16 * 8 flops; 4 bytes for each of 2 * 9 * 8 + 3 * 9 * 16 activations and, of every expert that
// has rows, 2 * 16 * 8 weights.
TEST(TaskWork, OfExpertsCountsThoseThatHaveRows) {
  Task experts = task_of(Op::experts, Rows::received);
  experts.shape.n = 16, experts.shape.k = 8;
  expect_work(Step().work(experts, 0), {.flops = 4608, .memory_bytes = 4.0 * (576 + 2 * 256)});
  expect_work(Step().work(experts, 2), {.flops = 4608, .memory_bytes = 4.0 * (576 + 256)});
}

// Rank 0 sends 3 + 2 rows of 32 bytes to rank 1 beside it, which sends 5 + 1 back.
TEST(TaskWork, OfADispatchIsWhatTheRankSends) {
  Task dispatch = task_of(Op::all_to_all, Rows::sent);
  dispatch.communicator = 0, dispatch.leg = Leg::dispatch, dispatch.bytes_per_row = 32;
  expect_work(Step().work(dispatch, 0), {.intra_node_bytes = 160});
  expect_work(Step().work(dispatch, 1), {.intra_node_bytes = 192});
}

// Of 4 ranks each sends 2 * 100 * 3 / 4 = 150 bytes to its neighbour in the ring; a node's two ranks share what leaves
// it.
TEST(TaskWork, OfAnAllReduce) {
  Task sum = task_of(Op::all_reduce);
  sum.communicator = 1, sum.bytes = 100;
  expect_work(Step().work(sum, 3), {.intra_node_bytes = 150, .inter_node_bytes = 75});
}

// A window of 10 numbers for each slot that has rows: 2 on rank 0, 1 on rank 2.
TEST(TaskWork, OfATransferIsItsWindows) {
  Step step;
  Tensor window;
  window.rows = Rows::active_slots, window.row_elements = 10, window.moe_layer = window.microbatch = 0;
  Task fetch = task_of(Op::fetch_experts);
  fetch.writes = {step.graph.add(window)};
  expect_work(step.work(fetch, 0), {.moved_bytes = 80});
  expect_work(step.work(fetch, 2), {.moved_bytes = 40});
}

}  // namespace
}  // namespace moesaic
