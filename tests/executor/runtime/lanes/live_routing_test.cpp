// What the router announces, and what follows from it, on graphs without tasks.
#include "executor/runtime/lanes/live_routing.h"

#include <gtest/gtest.h>

namespace moesaic::executor {
namespace {

using Slots = std::vector<int>;
using Counts = std::vector<int32_t>;

/// The plan and graph that a router works in. 4 experts; `ep` ranks of a group hold the same number each, one after the
/// other; 4 tokens of 2 choices a rank.
struct Router {
  Router(int ranks, int ep, int micro_batches, int chunks) {
    plan.layout.ranks = graph.num_ranks = ranks;
    plan.layout.ep = ep;
    plan.layout.micro_batches = micro_batches;
    plan.model.num_experts = 4;
    plan.model.top_k = 2;
    graph.num_chunks = chunks;
    graph.tokens_per_rank = 4;
    graph.placement.resize(1);
    graph.placement[0].slots_per_rank = 4 / ep;
    graph.placement[0].slot_to_expert = {0, 1, 2, 3};
  }
  Plan plan;
  TaskGraph graph;
};

Task announcement(Op op, int microbatch = 0) {
  Task task;
  task.op = op;
  task.moe_layer = 0;
  task.microbatch = microbatch;
  return task;
}

Task about(Demand demand, int microbatch = 0, Phase phase = Phase::forward, Op op = Op::fetch_experts) {
  Task task = announcement(op, microbatch);
  task.demand = demand;
  task.phase = phase;
  return task;
}

// Rank 1 of 2 holds experts 2 and 3. In chunk 0 it gets 1 row for expert 3, its own; in chunk 1 rank 0's 3 for
// expert 2. Its own tokens send 2, 1, 0 and 1 rows.
TEST(LiveRouting, BindsTheRowsOfAGroup) {
  const Router router(2, 2, 1, 2);
  LiveRouting routing(router.graph, router.plan, 1, false);
  routing.start_step();
  const Task gathered = announcement(Op::all_gather);
  EXPECT_TRUE(routing.announces(gathered));
  EXPECT_FALSE(routing.announces(announcement(Op::router)));  // its own alone
  EXPECT_TRUE(routing.counts_of(gathered).empty());
  routing.bind(gathered, Counts{1, 2, 0, 0, /**/ 0, 0, 3, 0,    // rank 0: chunks 0 and 1
                                0, 1, 0, 1, /**/ 2, 0, 0, 0});  // rank 1
  const auto counts = routing.counts_of(gathered);
  ASSERT_EQ(counts.size(), 2u);
  EXPECT_EQ(counts[0].slot_rows(1), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(counts[1].slot_rows(1), (std::vector<int64_t>{3, 0}));
  EXPECT_EQ(counts[0].sent(0), 3);
  EXPECT_EQ(routing.expert_rows(), (std::vector<int64_t>{2, 1, 0, 1}));
  EXPECT_EQ(routing.active_slots(about(Demand::active)), (Slots{0, 1}));
  EXPECT_EQ(routing.active_slots(about(Demand::predicted)), Slots{});
  EXPECT_TRUE(routing.counts_of(Task{}).empty());  // outside MoE layers
  routing.start_step();
  EXPECT_TRUE(routing.counts_of(gathered).empty());
  EXPECT_EQ(routing.expert_rows(), (std::vector<int64_t>{0, 0, 0, 0}));
}

// Capacity: ceil(1.0 * 4 tokens * 2 choices / 4 experts) = 2 rows of each of 2 ranks for every expert. What the router
// has dropped does not count as sent by the experts' statistics.
TEST(LiveRouting, PaddedDispatchSendsItsCapacity) {
  Router router(2, 2, 1, 1);
  router.plan.dispatch.kind = DispatchKind::padded;
  router.plan.dispatch.capacity_factor = 1;
  LiveRouting routing(router.graph, router.plan, 0, false);
  routing.start_step();
  const Task gathered = announcement(Op::all_gather);
  routing.bind(gathered, Counts{1, 0, 0, 2, /**/ 0, 0, 0, 0});
  EXPECT_EQ(routing.counts_of(gathered)[0].slot_rows(0), (std::vector<int64_t>{4, 4}));
  EXPECT_EQ(routing.expert_rows(), (std::vector<int64_t>{1, 0, 0, 2}));
}

// 2 ranks hold all 4 experts each. Rank 0 uses expert 0 in microbatch 0 and expert 1 in microbatch 1; rank 1 uses
// expert 3 in microbatch 0, which rank 0 hears of when the stage's counts have been gathered.
TEST(LiveRouting, GradientsAndUpdatesAreOfSlotsThatAnyReplicaUses) {
  Router router(2, 1, 2, 1);
  router.graph.tensors.resize(1);
  router.graph.tensors[0].dtype = DType::i32;
  router.graph.tensors[0].moe_layer = 0;
  Task stage = announcement(Op::all_gather);
  stage.moe_layer = -1;
  stage.reads = {0};
  EXPECT_FALSE(LiveRouting(router.graph, router.plan, 0, false).announces(stage));  // nobody asks
  LiveRouting routing(router.graph, router.plan, 0, true);
  EXPECT_TRUE(routing.announces(stage));
  routing.start_step();
  routing.bind(announcement(Op::router, 0), Counts{8, 0, 0, 0});
  routing.bind(announcement(Op::router, 1), Counts{0, 8, 0, 0});
  const auto weights = [](int microbatch) { return about(Demand::active, microbatch); };
  const auto gradients = [](int microbatch) { return about(Demand::none, microbatch, Phase::backward, Op::clear); };
  EXPECT_EQ(routing.active_slots(weights(0)), Slots{0});
  EXPECT_EQ(routing.active_slots(weights(1)), Slots{1});
  EXPECT_EQ(routing.active_slots(gradients(0)), Slots{0});
  routing.bind(stage, Counts{8, 0, 0, 0, /**/ 0, 0, 0, 8});
  EXPECT_EQ(routing.active_slots(weights(0)), Slots{0});
  EXPECT_EQ(routing.active_slots(gradients(0)), (Slots{0, 3}));
  EXPECT_EQ(routing.active_slots(gradients(1)), Slots{1});
  EXPECT_EQ(routing.active_slots(about(Demand::active, 0, Phase::update)), (Slots{0, 1, 3}));
}

}  // namespace
}  // namespace moesaic::executor
