#include "simulator/expert_traffic.h"

#include <gtest/gtest.h>

#include <map>

#include "core/technique/lower.h"
#include "simulator/simulation.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic::simulator {
namespace {

Plan offloaded(Tier home, int64_t cache_entries, int ahead) {
  Plan plan = moesaic::testing::tiny_plan(1, 1);
  plan.cluster.device.memory_bytes = 1 << 30;
  plan.cluster.device.memory_bandwidth_bytes_per_s = 1e12;
  plan.cluster.device.peak_f32_flops_per_s = plan.cluster.device.peak_bf16_flops_per_s = 1e12;
  plan.cluster.intra_node = plan.cluster.nic = {1e9, 0};
  plan.cluster.pcie = {1e9, 0};
  plan.cluster.host_memory_bytes = 1 << 30;
  plan.cluster.host_memory_bandwidth_bytes_per_s = 1e11;
  plan.cluster.storage_bytes = 1 << 30;
  plan.cluster.storage_read_bytes_per_s = 1e8;
  plan.cluster.storage_write_bytes_per_s = 5e7;
  plan.profile.launch_interval_s = 0;
  plan.expert_storage.home = home;
  plan.expert_storage.cache_entries = cache_entries;
  plan.prefetch.experts = ahead;
  check_plan(plan, "test");
  return plan;
}

std::map<std::string, TransferWork> work_of(const Plan& plan) {
  const TaskGraph graph = lower(plan);
  ExpertTraffic traffic(graph, plan, 0);
  std::map<std::string, TransferWork> work;
  for (size_t i = 0; i < graph.tasks.size(); ++i)
    if (is_transfer(graph.tasks[i].op)) work[graph.tasks[i].label] = traffic.of(TaskIndex(i), 0);
  return work;
}

// 16 tokens, 2 choices of 4 experts: uniform routing wakes all of them. A slot has 2 * 16 * 8 = 256 weights: 1024 bytes
// on the device, 3072 with both moments.
TEST(ExpertTraffic, NothingStaysWithoutACache) {
  auto work = work_of(offloaded(Tier::storage, 0, 0));
  EXPECT_EQ(work["layer 0 / forward / load experts, missing"].moved.storage_read, 4 * 3072);
  EXPECT_EQ(work["layer 0 / forward / fetch experts, missing"].moved.to_device, 4 * 1024);
  EXPECT_EQ(work["layer 0 / backward / load experts, active"].moved.storage_read, 4 * 3072);
  EXPECT_EQ(work["layer 0 / backward / drain expert gradients"].moved.from_device, 4 * 1024);
  EXPECT_EQ(work["layer 0 / update / load experts"].moved.storage_read, 4 * 3072);
  EXPECT_EQ(work["layer 0 / update / check gradients of experts"].checked_elements, 4 * 256);
  EXPECT_EQ(work["layer 0 / update / update experts"].updated_elements, 4 * 256);
  EXPECT_EQ(work["layer 0 / update / store experts"].moved.storage_written, 4 * 3072);
}

TEST(ExpertTraffic, ACacheForAllLeavesStorageAlone) {
  for (const auto& [label, work] : work_of(offloaded(Tier::storage, 4, 1))) {
    EXPECT_EQ(work.moved.storage_read, 0) << label;
    EXPECT_EQ(work.moved.storage_written, 0) << label;
  }
}

// What a right prediction brought is not brought again.
TEST(ExpertTraffic, PredictionLeavesNothingMissing) {
  auto work = work_of(offloaded(Tier::host, 0, 1));
  EXPECT_EQ(work["layer 0 / forward / fetch experts, predicted"].moved.to_device, 4 * 1024);
  EXPECT_EQ(work["layer 0 / forward / fetch experts, missing"].moved.to_device, 0);
}

// What a fetch moves is what its windows hold, whatever routing says: 2 microbatches of 4 tokens with 2 choices of 4
// experts that drift from iteration to iteration.
TEST(ExpertTraffic, FillsTheWindows) {
  for (Tier home : {Tier::host, Tier::storage})
    for (int ahead : {0, 1}) {
      Plan plan = offloaded(home, home == Tier::storage ? 2 : 0, ahead);
      plan.workload.global_batch = plan.layout.micro_batches = 2;
      plan.routing.generator = {2.5, 3, true};
      check_plan(plan, "test");
      const TaskGraph graph = lower(plan);
      for (int64_t step : {0, 1, 5}) {
        ExpertTraffic traffic(graph, plan, step);
        const RoutingBinding binding(plan);
        for (size_t i = 0; i < graph.tasks.size(); ++i) {
          const Task& task = graph.tasks[i];
          if (!is_transfer(task.op)) continue;
          const MovedBytes moved = traffic.of(TaskIndex(i), 0).moved;
          Bytes held = 0;
          for (TensorId id : task.op == Op::drain_gradients ? task.reads : task.writes)
            if (const Tensor& tensor = graph.tensors[id]; is_window(tensor.rows))
              held += binding.bytes(tensor, 0, step * 2);
          EXPECT_EQ(moved.to_device + moved.from_device, held) << task.label << " of step " << step;
        }
      }
    }
}

// Reading 36,864 bytes at 100 MB/s and writing 12,288 at 50 MB/s takes 369 us and 246 us; all else is far below. Read
// ahead, the first 12,288 bytes still wait for nothing to hide behind: there is one layer.
TEST(ExpertTraffic, StorageSetsThePace) {
  const Prediction slow = simulate(offloaded(Tier::storage, 0, 0)).evaluation.prediction;
  EXPECT_GT(slow.step_seconds, 369e-6 + 246e-6);
  EXPECT_LT(slow.step_seconds, 1.2 * (369e-6 + 246e-6));
  // All of that is transfer and nearly none of it hidden: one rank computes little and has no network.
  EXPECT_GT(slow.exposed_transfer_seconds, 0.95 * (369e-6 + 246e-6));
  EXPECT_LE(slow.exposed_transfer_seconds, slow.step_seconds);
  EXPECT_EQ(simulate(offloaded(Tier::device, 0, 0)).evaluation.prediction.exposed_transfer_seconds, 0);
  const Prediction cached = simulate(offloaded(Tier::storage, 4, 0)).evaluation.prediction;
  EXPECT_LT(cached.step_seconds, 0.1 * slow.step_seconds);
  // Tiers: gradients of 4 * 1024 bytes and, cached, 4 * 3072 of states in host memory; 4 * 3072 on storage.
  EXPECT_EQ(slow.peak_bytes.at("host"), 4 * 1024);
  EXPECT_EQ(cached.peak_bytes.at("host"), 4 * 1024 + 4 * 3072);
  EXPECT_EQ(cached.peak_bytes.at("storage"), 4 * 3072);
}

TEST(ExpertTraffic, AFullTierIsAResult) {
  Plan plan = offloaded(Tier::storage, 0, 0);
  plan.cluster.storage_bytes = 10'000;
  const Evaluation evaluation = simulate(plan).evaluation;
  EXPECT_FALSE(evaluation.feasible);
  EXPECT_NE(evaluation.reason.find("out of storage"), std::string::npos) << evaluation.reason;
}

}  // namespace
}  // namespace moesaic::simulator
