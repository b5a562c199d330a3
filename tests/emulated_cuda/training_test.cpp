// Whole training steps of the CUDA room on the emulated device, whose streams run in an adversarial order and whose
// memory the host cannot touch: the same losses as on the CPU, whatever the plan.
#include <gtest/gtest.h>

#include "core/graph/memory.h"
#include "core/technique/lower.h"
#include "executor/cuda/cuda_backend.h"
#include "tests/emulated_cuda/emulated_device.h"
#include "tests/executor/runtime/small_training.h"

namespace moesaic::executor {
namespace {

using testing::corpus;
using testing::losses;
using testing::plan_of;
using testing::unchecked_plan_of;

constexpr int64_t kGpuSteps = 3;  // threads of an emulated device are slow

/// The same plan for devices with memory of their own.
Plan on_gpu(Plan plan, DType dtype = DType::f32) {
  plan.cluster.device.lanes_share_core = false;
  plan.workload.compute_dtype = plan.model.weight_dtype = dtype;
  return plan;
}

TrainResult train_on_gpu(const Plan& plan) {
  check_plan(plan, "test");
  TrainOptions options;
  options.steps = kGpuSteps;
  return train_on_threads(plan, corpus(), options, [](int) { return std::make_unique<cuda::CudaBackend>(); });
}

// f32 on both sides; products associate differently, which 3 steps of AdamW keep below 2e-5.
void expect_like_cpu(const Plan& plan) {
  const std::vector<double> cpu = losses(plan), gpu = train_on_gpu(on_gpu(plan)).loss;
  ASSERT_EQ(gpu.size(), static_cast<size_t>(kGpuSteps));
  for (size_t step = 0; step < gpu.size(); ++step) EXPECT_NEAR(gpu[step], cpu[step], 2e-5 * cpu[step]) << step;
}

TEST(TrainingOnCuda, OneRank) { expect_like_cpu(plan_of(1, 1, 1)); }

TEST(TrainingOnCuda, RanksThatShareADevice) {
  expect_like_cpu(plan_of(1, 2, 2));
  expect_like_cpu(plan_of(2, 2, 4));
}

TEST(TrainingOnCuda, Dispatch) {
  Plan chunks = plan_of(1, 2, 2), padded = chunks, hierarchical = plan_of(2, 2, 4);
  chunks.dispatch.chunks = 3;
  expect_like_cpu(chunks);
  padded.dispatch.kind = DispatchKind::padded;
  padded.dispatch.capacity_factor = 1.0;
  expect_like_cpu(padded);
  hierarchical.dispatch.all_to_all = AllToAllKind::hierarchical_2d;
  expect_like_cpu(hierarchical);
}

TEST(TrainingOnCuda, Layouts) {
  Plan tensor = unchecked_plan_of(1, 2, 1), pipeline = unchecked_plan_of(1, 2, 1), slices = plan_of(1, 2, 2);
  tensor.layout.tp = 2;
  expect_like_cpu(tensor);
  pipeline.layout.pp = 2;
  expect_like_cpu(pipeline);
  slices.layout.expert_slices = 2;
  expect_like_cpu(slices);
}

TEST(TrainingOnCuda, PartitionedStates) {
  for (int zero : {1, 2, 3}) {
    SCOPED_TRACE(zero);
    Plan plan = plan_of(1, 2, 1);
    plan.layout.zero = zero;
    plan.gradient_bucket_bytes = 40'000;
    expect_like_cpu(plan);
  }
}

TEST(TrainingOnCuda, ExpertsElsewhere) {
  for (Tier home : {Tier::host, Tier::storage}) {
    Plan plan = plan_of(1, 2, 2);
    plan.expert_storage.home = home;
    plan.cluster.storage_bytes = Bytes{1} << 30;
    plan.cluster.storage_read_bytes_per_s = plan.cluster.storage_write_bytes_per_s = 1e9;
    expect_like_cpu(plan);
  }
}

// bfloat16 keeps 8 bits: weights, activations and gradients round to 2^-9 of their size, the loss of a byte model to
// about a hundredth.
TEST(TrainingOnCuda, RoundedToBFloat16) {
  const Plan plan = plan_of(1, 2, 2);
  const std::vector<double> cpu = losses(plan), gpu = train_on_gpu(on_gpu(plan, DType::bf16)).loss;
  ASSERT_EQ(gpu.size(), static_cast<size_t>(kGpuSteps));
  for (size_t step = 0; step < gpu.size(); ++step) EXPECT_NEAR(gpu[step], cpu[step], 1e-2 * cpu[step]) << step;
  EXPECT_LT(gpu.back(), gpu.front());
}

// Nothing but what a wait enforces orders the streams.
TEST(TrainingOnCuda, EveryOrderOfTheStreamsGivesTheSameBits) {
  Plan plan = on_gpu(plan_of(1, 2, 2));
  plan.dispatch.chunks = 2;
  plan.expert_storage.home = Tier::host;
  const std::vector<double> expected = train_on_gpu(plan).loss;
  for (uint64_t seed : {2, 3, 4}) {
    emulated_cuda::set_order_seed(seed);
    EXPECT_EQ(train_on_gpu(plan).loss, expected) << "seed " << seed;
  }
}

// The graph's own count, to the byte, though the host is far ahead when it gives memory back.
TEST(TrainingOnCuda, NeedsTheMemoryThatTheGraphSays) {
  Plan plan = on_gpu(plan_of(1, 1, 1), DType::bf16);
  const TrainResult found = train_on_gpu(plan);
  plan.routing = found.routing;
  const TaskGraph graph = lower(plan);
  const RoutingBinding binding(graph, plan);
  EXPECT_EQ(found.memory.device_bytes, memory_peak(graph, binding, 0, found.timeline_step).bytes);
}

}  // namespace
}  // namespace moesaic::executor
