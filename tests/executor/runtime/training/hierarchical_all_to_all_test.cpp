// A training step with the hierarchical all-to-all against one with the flat exchange: the same bits in losses,
// gradients and weights, whatever the routing, and fewer messages between nodes.
#include <gtest/gtest.h>

#include <mutex>
#include <numeric>

#include "core/operators/router.h"
#include "core/schema/error.h"
#include "executor/comm/threads.h"
#include "executor/cpu/cpu_backend.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor {
namespace {

constexpr int64_t kHierarchicalSteps = 2;

struct HierarchicalShape {
  int nodes, per_node, ep;
  int ranks() const { return nodes * per_node; }
};

enum class Router {
  trained,  // as initialised and trained
  tied,     // weights are zero before every use: all scores tie, so every token goes to experts 0 to top_k - 1
};

struct HierarchicalCase {
  int64_t num_experts = 8, top_k = 2;
  Router router = Router::trained;
  bool shuffled = false;  // experts in another order of slots
};

/// Layers 0 and 2 are MoE layers; 2 microbatches.
Plan exchange_plan(const HierarchicalShape& shape, const HierarchicalCase& with, AllToAllKind kind) {
  Plan plan = testing::unchecked_plan_of(shape.nodes, shape.per_node, shape.ep);
  plan.model.num_experts = with.num_experts;
  plan.model.top_k = with.top_k;
  plan.dispatch.all_to_all = kind;
  if (with.shuffled) {
    std::vector<int> reversed(static_cast<size_t>(with.num_experts));
    std::iota(reversed.rbegin(), reversed.rend(), 0);
    plan.placement.assign(2, {static_cast<int>(with.num_experts) / shape.ep, reversed});
  }
  check_plan(plan, "test");
  return plan;
}

using testing::corpus;

/// A CPU that keeps what every optimizer task reads (gradients) and what it leaves (weights among it), and that can tie
/// the router.
class RecordingBackend final : public cpu::CpuBackend {
 public:
  explicit RecordingBackend(Router router) : router_(router) {}

  void launch(const Launch& launch) override {
    if (launch.task.op == Op::router && router_ == Router::tied) {
      const Operand& weights = launch.reads[operands::Router::w];
      std::fill_n(weights.f32(), weights.elements(), 0.0f);
    }
    if (launch.task.op == Op::adamw) keep(launch.reads);
    CpuBackend::launch(launch);
    if (launch.task.op == Op::adamw) keep(launch.writes);
  }

  std::vector<float> kept;

 private:
  void keep(std::span<const Operand> operands) {
    for (const Operand& operand : operands) kept.insert(kept.end(), operand.f32(), operand.f32() + operand.elements());
  }

  const Router router_;
};

struct HierarchicalOutcome {
  TrainResult result;                    // of rank 0
  std::vector<std::vector<float>> kept;  // [ranks]: gradients and weights of all steps
  Traffic traffic;                       // of all ranks and steps
};

HierarchicalOutcome trained(const Plan& plan, Router router, int64_t steps = kHierarchicalSteps) {
  HierarchicalOutcome outcome;
  outcome.kept.resize(static_cast<size_t>(plan.layout.ranks));
  TrainOptions options;
  options.steps = steps;
  std::mutex mutex;
  run_on_threads(plan.layout.ranks, plan.cluster.devices_per_node, [&](int rank, Transport& transport) {
    RecordingBackend backend(router);
    TrainResult result = train(plan, rank, backend, transport, corpus(), options);
    const std::lock_guard lock(mutex);
    if (rank == 0) outcome.result = std::move(result);
    outcome.kept[static_cast<size_t>(rank)] = std::move(backend.kept);
    const auto add = [](LinkTraffic& sum, const LinkTraffic& part) {
      sum.messages += part.messages, sum.bytes += part.bytes;
    };
    add(outcome.traffic.inter_node, transport.traffic().inter_node);
    add(outcome.traffic.intra_node, transport.traffic().intra_node);
  });
  return outcome;
}

/// Rows over all steps, layers and sources, [num_experts].
std::vector<int64_t> rows_per_expert(const RoutingDocument& routing) {
  std::vector<int64_t> rows(static_cast<size_t>(routing.num_experts), 0);
  for (size_t i = 0; i < routing.counts.size(); ++i) rows[i % rows.size()] += routing.counts[i];
  return rows;
}

void expect_same_bits(const HierarchicalOutcome& hierarchical, const HierarchicalOutcome& flat) {
  EXPECT_EQ(hierarchical.result.loss, flat.result.loss);
  EXPECT_EQ(hierarchical.result.routing.counts, flat.result.routing.counts);
  EXPECT_EQ(hierarchical.kept, flat.kept);
  for (const auto& kept : flat.kept) EXPECT_GT(kept.size(), 10'000u);
}

class HierarchicalTraining : public ::testing::TestWithParam<HierarchicalShape> {
 protected:
  /// Trains both ways, compares, and returns what the flat one did.
  HierarchicalOutcome compare(const HierarchicalCase& with) {
    HierarchicalOutcome flat = trained(exchange_plan(GetParam(), with, AllToAllKind::flat), with.router);
    expect_same_bits(trained(exchange_plan(GetParam(), with, AllToAllKind::hierarchical_2d), with.router), flat);
    return flat;
  }
};

TEST_P(HierarchicalTraining, ChangesNoBit) { compare({}); }

TEST_P(HierarchicalTraining, ChangesNoBitWhereExpertsStandInAnotherOrder) { compare({.shuffled = true}); }

// 16 sequences of 16 tokens, 2 layers, 2 steps: 1024 tokens, all for expert 0, which lives on the last rank of a group.
TEST_P(HierarchicalTraining, ChangesNoBitWhenAllTokensGoToOneExpert) {
  const HierarchicalOutcome flat = compare({.top_k = 1, .router = Router::tied, .shuffled = true});
  EXPECT_EQ(rows_per_expert(flat.result.routing), (std::vector<int64_t>{1024, 0, 0, 0, 0, 0, 0, 0}));
}

// Experts 0 and 1 get every token once each; of 64 experts most ranks hold empty ones only.
TEST_P(HierarchicalTraining, ChangesNoBitWithEmptyExperts) {
  const HierarchicalOutcome flat = compare({.num_experts = 64, .router = Router::tied});
  std::vector<int64_t> expected(64, 0);
  expected[0] = expected[1] = 1024;
  EXPECT_EQ(rows_per_expert(flat.result.routing), expected);
}

INSTANTIATE_TEST_SUITE_P(Ranks, HierarchicalTraining,
                         ::testing::Values(HierarchicalShape{2, 1, 2}, HierarchicalShape{4, 1, 4},
                                           HierarchicalShape{2, 2, 4}, HierarchicalShape{8, 1, 8},
                                           HierarchicalShape{4, 2, 8}, HierarchicalShape{2, 4, 8},
                                           HierarchicalShape{4, 2, 4}));

// There is no hierarchy inside one node, nor where a group ends in the middle of one. Experts that do not divide evenly
// need a placement with replicas, which is for inference (exchange_test.cpp).
TEST(HierarchicalPlans, AreRefusedWhereTheyAreNotDefined) {
  Plan plan = exchange_plan({1, 1, 1}, {.num_experts = 12}, AllToAllKind::flat);
  plan.workload.global_batch = 48;
  for (const HierarchicalShape& shape :
       {HierarchicalShape{1, 2, 2}, HierarchicalShape{1, 4, 4}, HierarchicalShape{2, 4, 4}, HierarchicalShape{2, 4, 2},
        HierarchicalShape{3, 2, 3}}) {
    plan.cluster.num_nodes = shape.nodes;
    plan.cluster.devices_per_node = shape.per_node;
    plan.layout = {shape.ranks(), shape.ep, 2};
    plan.dispatch.all_to_all = AllToAllKind::flat;
    EXPECT_NO_THROW(check_plan(plan, "test"));
    plan.dispatch.all_to_all = AllToAllKind::hierarchical_2d;
    EXPECT_THROW(check_plan(plan, "test"), InputError) << shape.nodes << "x" << shape.per_node << " ep " << shape.ep;
  }
  Plan uneven = exchange_plan({2, 2, 4}, {}, AllToAllKind::hierarchical_2d);
  uneven.model.num_experts = 6;
  EXPECT_THROW(check_plan(uneven, "test"), InputError);
}

/// What all ranks send between nodes in the second step. A job of two steps sends that more than a job of one: what it
/// gathers at its end grows in proportion to the routing only, which is the same for both algorithms.
LinkTraffic second_step(const HierarchicalShape& shape, AllToAllKind kind) {
  const HierarchicalCase all_experts{.top_k = 8};
  const HierarchicalOutcome one = trained(exchange_plan(shape, all_experts, kind), Router::trained, 1);
  const HierarchicalOutcome two = trained(exchange_plan(shape, all_experts, kind), Router::trained, 2);
  EXPECT_EQ(rows_per_expert(one.result.routing), std::vector<int64_t>(8, 512));
  return {two.traffic.inter_node.messages - one.traffic.inter_node.messages,
          two.traffic.inter_node.bytes - one.traffic.inter_node.bytes};
}

// One step has 2 microbatches of 2 MoE layers with 4 exchanges each (dispatch, combine and their gradients): 16. Every
// token chooses all 8 experts, so in each of them every rank has rows for every other. On 4 nodes of 2 a flat exchange
// sends 8 * 6 = 48 messages between nodes and a hierarchical one 8 * 3 = 24; on 2 nodes of 4, 8 * 4 = 32 and 8 * 1 = 8.
// Everything else that a step sends is the same.
TEST(HierarchicalTraffic, FallsInMessagesAndNotInBytes) {
  struct Expected {
    HierarchicalShape shape;
    int64_t saved;
  };
  for (const Expected& expected : {Expected{{4, 2, 8}, 16 * (48 - 24)}, Expected{{2, 4, 8}, 16 * (32 - 8)}}) {
    const LinkTraffic flat = second_step(expected.shape, AllToAllKind::flat);
    const LinkTraffic hierarchical = second_step(expected.shape, AllToAllKind::hierarchical_2d);
    EXPECT_EQ(flat.messages - hierarchical.messages, expected.saved);
    EXPECT_EQ(flat.bytes, hierarchical.bytes);
    EXPECT_GT(flat.bytes, 0);
  }
}

}  // namespace
}  // namespace moesaic::executor
