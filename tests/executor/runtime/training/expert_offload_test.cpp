// Experts whose states live in host memory or on storage train as experts on the device do, bit for bit, whatever the
// cache holds and however far ahead they are fetched: no update is lost.
#include <gtest/gtest.h>

#include "core/graph/memory.h"
#include "core/technique/lower.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor {
namespace {

using testing::losses;
using testing::plan_of;

Plan offloaded(const Plan& base, Tier home, int64_t cache_entries, int ahead) {
  Plan plan = base;
  plan.cluster.storage_read_bytes_per_s = plan.cluster.storage_write_bytes_per_s = 1e9;
  plan.expert_storage.home = home;
  plan.expert_storage.cache_entries = cache_entries;
  plan.prefetch.experts = ahead;
  return plan;
}

struct OffloadCase {
  int nodes, per_node, ep, micro_batches;
};
class ExpertOffload : public ::testing::TestWithParam<OffloadCase> {};

// 2 MoE layers with 8 / ep slots per rank: 16 / ep entries hold everything.
TEST_P(ExpertOffload, TrainsAsOnTheDevice) {
  const OffloadCase c = GetParam();
  Plan base = plan_of(c.nodes, c.per_node, c.ep);
  base.layout.micro_batches = c.micro_batches;
  const std::vector<double> expected = losses(base);
  for (int ahead : {0, 1, 2}) EXPECT_EQ(losses(offloaded(base, Tier::host, 0, ahead)), expected) << ahead;
  for (int64_t entries : {0, 1, 3, 16 / c.ep})
    for (int ahead : {0, 1})
      EXPECT_EQ(losses(offloaded(base, Tier::storage, entries, ahead)), expected)
          << entries << " entries, " << ahead << " ahead";
}

INSTANTIATE_TEST_SUITE_P(Ranks, ExpertOffload,
                         ::testing::Values(OffloadCase{1, 1, 1, 1}, OffloadCase{1, 2, 2, 2}, OffloadCase{1, 4, 2, 1},
                                           OffloadCase{2, 2, 4, 2}));

// No counts are exchanged before rows move; what the other replica uses is known before gradients are summed. 4 tokens
// a rank leave most of 8 experts to one of the replicas, or to none; without the auxiliary loss nothing else needs
// counts.
TEST(ExpertOffload, SumsGradientsOfWhatAnyReplicaUses) {
  Plan base = plan_of(1, 2, 1);
  base.workload.global_batch = 2;
  base.layout.micro_batches = 1;  // several are added over replicas first: rounding
  base.workload.sequence_length = 4;
  for (double coefficient : {base.model.auxiliary_coefficient, 0.0}) {
    base.model.auxiliary_coefficient = coefficient;
    const std::vector<double> expected = losses(base);
    EXPECT_EQ(losses(offloaded(base, Tier::host, 0, 1)), expected);
    EXPECT_EQ(losses(offloaded(base, Tier::storage, 3, 0)), expected);
  }
}

TEST(ExpertOffload, WorksWithThresholdDecayAndFlush) {
  const Plan base = plan_of(1, 2, 2);
  Plan plan = offloaded(base, Tier::storage, 3, 1);
  plan.expert_storage.threshold = 1;
  plan.expert_storage.decay = 1;
  plan.expert_storage.period = 5;
  plan.expert_storage.flush_period = 2;
  EXPECT_EQ(losses(plan), losses(base));
}

// An expert that no token chooses sleeps; when it wakes up, AdamW's decay of weights and moments has caught up. One
// token per microbatch wakes 2 of 8 experts.
TEST(ExpertOffload, SleepingExpertsCatchUp) {
  Plan base = plan_of(1, 1, 1);
  base.workload.global_batch = 1;
  base.workload.sequence_length = 3;
  base.layout.micro_batches = 1;
  base.workload.optimizer.weight_decay = 0.5;
  TrainOptions options;
  options.steps = 30;
  const TrainResult expected = train_on_threads(base, testing::corpus(), options);
  const TrainResult found = train_on_threads(offloaded(base, Tier::storage, 4, 1), testing::corpus(), options);
  EXPECT_EQ(found.loss, expected.loss);
  EXPECT_LT(found.memory.expert_bytes.to_device,
            30 * 2 * 16 * 2 * 48 * 32 * 4);  // less than every expert, twice a step
  EXPECT_LT(found.memory.device_bytes, expected.memory.device_bytes);
}

// Of the working layer the device holds the experts with rows, and with a prediction those that had rows before: 4
// tokens of 2 choices wake at most 8 slots of 2 * 32 * 48 weights, mostly fewer. The graph says to the byte how many,
// where tasks run in program order: nothing waits for a disk.
TEST(ExpertOffload, HoldsActiveExpertsAlone) {
  Plan base = plan_of(1, 1, 1);
  base.workload.global_batch = 1;
  base.workload.sequence_length = 4;
  base.layout.micro_batches = 1;
  TrainOptions options;
  options.steps = 4;
  for (int ahead : {0, 1, 2}) {
    Plan plan = offloaded(base, Tier::host, 0, ahead);
    const TrainResult found = train_on_threads(plan, testing::corpus(), options);
    plan.routing = found.routing;
    const TaskGraph graph = lower(plan);
    const RoutingBinding binding(plan);
    EXPECT_EQ(peak_memory(found.timeline), memory_peak(graph, binding, 0, found.timeline_step).bytes) << ahead;
    Bytes largest = 0;
    for (const Tensor& tensor : graph.tensors)
      if (is_window(tensor.rows)) largest = std::max(largest, binding.bytes(tensor, 0, found.timeline_step));
    EXPECT_GT(largest, 0);
    EXPECT_LT(largest, 8 * 48 * 32 * 4);
  }
}

}  // namespace
}  // namespace moesaic::executor
