// Training that sends a token to each node once against training that sends it once per choice: the same bits in losses
// and weights, whatever else a plan chooses, and fewer bytes between nodes, by what the rows say.
#include <gtest/gtest.h>

#include <mutex>

#include "core/operators/router.h"
#include "core/technique/lower.h"
#include "executor/comm/threads.h"
#include "executor/cpu/cpu_backend.h"
#include "tests/executor/runtime/training/tensors_after.h"

namespace moesaic::executor {
namespace {

using testing::Tensors, testing::unchecked_plan_of;

Tensors trained(Plan plan, AllToAllKind kind) {
  plan.dispatch.all_to_all = kind;
  check_plan(plan, "test");
  return testing::tensors_after(3, State::weight, plan, lower(plan));
}

void expect_bits_of_flat(const Plan& plan) {
  const Tensors flat = trained(plan, AllToAllKind::flat);
  EXPECT_TRUE(trained(plan, AllToAllKind::node_limited) == flat);
  EXPECT_GT(flat.size(), 20u);
}

struct NodeLimitedShape {
  int nodes, per_node, ep;
};
class NodeLimited : public ::testing::TestWithParam<NodeLimitedShape> {
 protected:
  static Plan plan() { return unchecked_plan_of(GetParam().nodes, GetParam().per_node, GetParam().ep); }
};

TEST_P(NodeLimited, ChangesNoBit) {
  expect_bits_of_flat(plan());
  Plan bf16 = plan();
  bf16.workload.compute_dtype = DType::bf16;
  expect_bits_of_flat(bf16);
}

TEST_P(NodeLimited, ChangesNoLoss) {
  Plan flat = plan(), once = plan();
  once.dispatch.all_to_all = AllToAllKind::node_limited;
  EXPECT_EQ(testing::losses(once), testing::losses(flat));
}

// With one of the top 2 or with all 8 experts, where every token goes to every node.
TEST_P(NodeLimited, ChangesNoBitWhateverATokenChooses) {
  for (const int64_t top_k : {1, 5, 8}) {
    Plan plan = this->plan();
    plan.model.top_k = top_k;
    expect_bits_of_flat(plan);
  }
}

TEST_P(NodeLimited, ChangesNoBitWithChunksAndRecompute) {
  Plan plan = this->plan();
  plan.dispatch.chunks = 3;
  expect_bits_of_flat(plan);
  plan.layout.recompute = Recompute::full;
  expect_bits_of_flat(plan);
  plan.layout.recompute = Recompute::communication_aware;
  expect_bits_of_flat(plan);
}

// Slices of an expert on one rank, and, shuffled, on several nodes, with the auxiliary loss of the whole stage.
TEST_P(NodeLimited, ChangesNoBitWithSlices) {
  Plan plan = this->plan();
  plan.layout.expert_slices = 2;
  plan.dispatch.chunks = 2;
  expect_bits_of_flat(plan);
  ExpertPlacement scattered{16 / plan.layout.ep, {}};
  for (int slot = 0; slot < 16; ++slot) scattered.slot_to_expert.push_back(slot * 7 % 16);
  plan.placement.assign(2, scattered);
  expect_bits_of_flat(plan);
}

// Experts 0 to ep - 1 once more, so that most have a replica on another rank.
TEST_P(NodeLimited, ChangesNoBitWithReplicas) {
  Plan plan = this->plan();
  plan.dispatch.chunks = 2;
  const int slots = 8 / plan.layout.ep + 1;
  ExpertPlacement replicated{slots, {}};
  for (int slot = 0; slot < slots * plan.layout.ep; ++slot) replicated.slot_to_expert.push_back(slot * 3 % 8);
  plan.placement.assign(2, replicated);
  expect_bits_of_flat(plan);
}

TEST_P(NodeLimited, ChangesNoBitWithStatesElsewhere) {
  Plan plan = this->plan();
  plan.expert_storage.home = Tier::host;
  plan.prefetch.experts = 1;
  EXPECT_EQ(testing::losses(plan), [&] {
    Plan once = plan;
    once.dispatch.all_to_all = AllToAllKind::node_limited;
    return testing::losses(once);
  }());
}

TEST_P(NodeLimited, ChangesNoBitWithDividedStates) {
  Plan plan = this->plan();
  plan.layout.zero = 2;
  plan.gradient_bucket_bytes = 30'000;
  expect_bits_of_flat(plan);
}

// The last have several expert-parallel groups.
INSTANTIATE_TEST_SUITE_P(Ranks, NodeLimited,
                         ::testing::Values(NodeLimitedShape{2, 2, 4}, NodeLimitedShape{2, 4, 8},
                                           NodeLimitedShape{4, 2, 8}, NodeLimitedShape{4, 1, 4},
                                           NodeLimitedShape{4, 2, 4}));

/// Of what routers choose, what goes to another node: choices, and (token, node) pairs.
struct Counted {
  int64_t choices = 0, once = 0;
  bool operator==(const Counted&) const = default;
};

class CountingBackend final : public cpu::CpuBackend {
 public:
  CountingBackend(const Plan& plan, int rank) : plan_(plan), rank_(rank) {}

  void launch(const Launch& launch) override {
    CpuBackend::launch(launch);
    if (launch.task.op == Op::router) count(launch);
  }

  Counted counted;

 private:
  /// Contiguous experts, no slices.
  void count(const Launch& launch) {
    const int64_t k = plan_.model.top_k, tokens = launch.context.graph->tokens_per_rank;
    const int per_node = plan_.cluster.devices_per_node, nodes = plan_.layout.ep / per_node;
    const int32_t* chosen = launch.writes[operands::Router::route].i32();
    for (int64_t t = 0; t < tokens; ++t) {
      std::vector<bool> reached(static_cast<size_t>(nodes), false);
      for (int64_t i = 0; i < k; ++i) {
        const int64_t node = chosen[t * k + i] / (plan_.model.num_experts / nodes);
        if (node == rank_ % plan_.layout.ep / per_node) continue;
        ++counted.choices;
        counted.once += !reached[static_cast<size_t>(node)];
        reached[static_cast<size_t>(node)] = true;
      }
    }
  }

  const Plan& plan_;
  const int rank_;
};

struct Sent {
  Counted counted;
  int64_t bytes = 0;  // between nodes
};

Sent sent_in(int64_t steps, Plan plan, AllToAllKind kind) {
  plan.dispatch.all_to_all = kind;
  check_plan(plan, "test");
  Sent sent;
  TrainOptions options;
  options.steps = steps;
  std::mutex mutex;
  run_on_threads(plan.layout.ranks, plan.cluster.devices_per_node, [&](int rank, Transport& transport) {
    CountingBackend backend(plan, rank);
    train(plan, rank, backend, transport, testing::corpus(), options);
    const std::lock_guard lock(mutex);
    sent.counted.choices += backend.counted.choices;
    sent.counted.once += backend.counted.once;
    sent.bytes += transport.traffic().inter_node.bytes;
  });
  return sent;
}

/// What two steps send more than one: what a job sends at its ends stays.
Sent second_step(const Plan& plan, AllToAllKind kind) {
  const Sent one = sent_in(1, plan, kind), two = sent_in(2, plan, kind);
  return {{two.counted.choices - one.counted.choices, two.counted.once - one.counted.once}, two.bytes - one.bytes};
}

// Rows of 32 f32. Forward, a row to another node costs 128 bytes; once per node, 128 for each of those and 4 for the
// place of each choice. Rows back, and gradients both ways, go flat. Of both MoE layers and both microbatches,
// every rank sends each of the other node's ranks its counts, which are longer by 4 bytes for each of 2 nodes.
TEST(NodeLimitedTraffic, FallsByTheRowsThatAreNotSentTwice) {
  for (const NodeLimitedShape& shape : {NodeLimitedShape{2, 2, 4}, NodeLimitedShape{2, 4, 8}})
    for (const int64_t top_k : {2, 5}) {
      Plan plan = unchecked_plan_of(shape.nodes, shape.per_node, shape.ep);
      plan.model.top_k = top_k;
      const Sent flat = second_step(plan, AllToAllKind::flat), once = second_step(plan, AllToAllKind::node_limited);
      EXPECT_EQ(once.counted, flat.counted);
      EXPECT_LT(once.counted.once, once.counted.choices);
      const int64_t counts = 2 * 2 * int64_t{shape.ep} * shape.per_node * 2 * 4;
      EXPECT_EQ(flat.bytes - once.bytes,
                128 * (flat.counted.choices - flat.counted.once) - 4 * flat.counted.choices - counts);
    }
}

}  // namespace
}  // namespace moesaic::executor
