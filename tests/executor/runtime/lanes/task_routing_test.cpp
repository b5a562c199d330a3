// What the router announces, and what follows from it, on graphs without tasks.
#include "executor/runtime/lanes/task_routing.h"

#include <gtest/gtest.h>

namespace moesaic::executor {
namespace {

using Slots = std::vector<int>;
using Counts = std::vector<int32_t>;

/// The plan and graph that a router works in. 4 experts; `ep` ranks of a group hold the same number each, one after the
/// other; 4 tokens of 2 choices a rank.
struct Router {
  Router(int ranks, int ep, int micro_batches, int chunks) {
    plan.layout.ranks = ranks;
    plan.layout.ep = ep;
    plan.layout.micro_batches = micro_batches;
    plan.model.num_experts = 4;
    plan.model.top_k = 2;
    plan.model.moe_layers = {true};
    plan.dispatch.chunks = chunks;
    plan.workload.global_batch = int64_t{ranks} * micro_batches;
    plan.workload.sequence_length = 4;
  }
  Plan plan;
  TaskGraph graph;
};

Task announcement(Announces announces, int microbatch = 0) {
  Task task;
  task.announces = announces;
  task.moe_layer = 0;
  task.microbatch = microbatch;
  return task;
}

Task about(Demand demand, int microbatch = 0, Phase phase = Phase::forward, Op op = Op::fetch_experts) {
  Task task = announcement(Announces::nothing, microbatch);
  task.op = op;
  task.demand = demand;
  task.phase = phase;
  return task;
}

// Rank 1 of 2 holds experts 2 and 3. In chunk 0 it gets 1 row for expert 3, its own; in chunk 1 rank 0's 3 for
// expert 2. Its own tokens send 2, 1, 0 and 1 rows.
TEST(TaskRouting, BindsTheRowsOfAGroup) {
  const Router router(2, 2, 1, 2);
  TaskRouting routing(router.graph, router.plan, 1, false);
  routing.start_step();
  const Task gathered = announcement(Announces::group_counts);
  EXPECT_TRUE(routing.announces(gathered));
  EXPECT_FALSE(routing.announces(announcement(Announces::nothing)));
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
TEST(TaskRouting, PaddedDispatchSendsItsCapacity) {
  Router router(2, 2, 1, 1);
  router.plan.dispatch.kind = DispatchKind::padded;
  router.plan.dispatch.capacity_factor = 1;
  TaskRouting routing(router.graph, router.plan, 0, false);
  routing.start_step();
  const Task gathered = announcement(Announces::group_counts);
  routing.bind(gathered, Counts{1, 0, 0, 2, /**/ 0, 0, 0, 0});
  EXPECT_EQ(routing.counts_of(gathered)[0].slot_rows(0), (std::vector<int64_t>{4, 4}));
  EXPECT_EQ(routing.expert_rows(), (std::vector<int64_t>{1, 0, 0, 2}));
}

// 2 ranks hold all 4 experts each. Rank 0 uses expert 0 in microbatch 0 and expert 1 in microbatch 1; rank 1 uses
// expert 3 in microbatch 0, which rank 0 hears of when the stage's counts have been gathered.
TEST(TaskRouting, GradientsAndUpdatesAreOfSlotsThatAnyReplicaUses) {
  Router router(2, 1, 2, 1);
  router.graph.tensors.resize(1);
  router.graph.tensors[0].moe_layer = 0;
  Task stage = announcement(Announces::stage_counts);
  stage.moe_layer = -1;
  stage.reads = {0};
  EXPECT_FALSE(TaskRouting(router.graph, router.plan, 0, false).announces(stage));  // nobody asks
  TaskRouting routing(router.graph, router.plan, 0, true);
  EXPECT_TRUE(routing.announces(stage));
  routing.start_step();
  routing.bind(announcement(Announces::group_counts, 0), Counts{8, 0, 0, 0});
  routing.bind(announcement(Announces::group_counts, 1), Counts{0, 8, 0, 0});
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
