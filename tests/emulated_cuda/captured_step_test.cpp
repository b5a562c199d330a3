// Steps whose forward and backward are captured as a graph and replayed: the same bits as launched one by one, and
// refused where a step cannot be captured.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/schema/error.h"
#include "executor/cuda/cuda_backend.h"
#include "executor/runtime/training/captured_step.h"
#include "tests/emulated_cuda/emulated_device.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor {
namespace {

using testing::corpus;
using testing::on_gpu;
using testing::unchecked_plan_of;

constexpr int64_t kCapturedSteps = 5;  // one ordinary, one captured, three that only replay

Plan padded(int chunks, DType dtype = DType::f32) {
  Plan plan = on_gpu(unchecked_plan_of(1, 1, 1), dtype);
  plan.dispatch.kind = DispatchKind::padded;
  plan.dispatch.capacity_factor = 1.0;
  plan.dispatch.chunks = chunks;
  return plan;
}

Plan dense() {
  Plan plan = on_gpu(unchecked_plan_of(1, 1, 1));
  plan.model.moe_layers = {false, false, false};
  return plan;
}

TrainResult train(const Plan& plan, bool capture, const ValidationPolicy& validation = {}) {
  check_plan(plan, "test");
  TrainOptions options;
  options.validation = validation;
  options.steps = kCapturedSteps;
  options.capture = capture;
  return train_on_threads(plan, corpus(), options, [](int) { return std::make_unique<cuda::CudaBackend>(); });
}

void expect_same_bits(const Plan& plan) {
  const TrainResult launched = train(plan, false), captured = train(plan, true);
  EXPECT_FALSE(launched.captured);
  EXPECT_TRUE(captured.captured);
  EXPECT_EQ(captured.loss, launched.loss);
  EXPECT_EQ(captured.cross_entropy, launched.cross_entropy);
  EXPECT_LT(captured.loss.back(), captured.loss.front());
  EXPECT_EQ(captured.memory.device_bytes, launched.memory.device_bytes);
}

TEST(CapturedStep, TrainsADenseModelToTheSameBits) { expect_same_bits(dense()); }

TEST(CapturedStep, TrainsWithPaddedDispatchToTheSameBits) { expect_same_bits(padded(1)); }

TEST(CapturedStep, TrainsInChunksOfBFloat16ToTheSameBits) { expect_same_bits(padded(2, DType::bf16)); }

// Factors are known behind the graph; validation runs between its replays.
TEST(CapturedStep, ClipsAndValidatesToTheSameBits) {
  Plan plan = padded(1);
  plan.workload.optimizer.max_gradient_norm = 0.1;
  const Corpus text = corpus();
  const TrainResult launched = train(plan, false, {&text, 1, 1}), captured = train(plan, true, {&text, 1, 1});
  EXPECT_TRUE(captured.captured);
  EXPECT_EQ(captured.loss, launched.loss);
  EXPECT_EQ(captured.gradient_norm, launched.gradient_norm);
  EXPECT_EQ(captured.validation, launched.validation);
  EXPECT_EQ(captured.loss, train(plan, true).loss);
}

TEST(CapturedStep, EveryOrderOfTheStreamsGivesTheSameBits) {
  const std::vector<double> expected = train(padded(1), false).loss;
  for (uint64_t seed : {2, 3}) {
    emulated_cuda::set_order_seed(seed);
    EXPECT_EQ(train(padded(1), true).loss, expected) << "seed " << seed;
  }
}

// The median of the last four steps is a captured one: its updates are all that has a time. The routing is that of the
// first step, of two microbatches.
TEST(CapturedStep, ShowsWhatTheHostSaw) {
  const TrainResult result = train(padded(1), true);
  EXPECT_GE(result.timeline_step, 1);
  EXPECT_FALSE(result.timeline.times.empty());
  for (const TaskTime& time : result.timeline.times) {
    EXPECT_EQ(result.timeline.rows[static_cast<size_t>(time.task)].phase, Phase::update);
    EXPECT_GE(time.end, time.start);
  }
  EXPECT_EQ(result.timeline.memory.size(), result.timeline.times.size());
  EXPECT_EQ(result.routing.num_iterations, 2);
  EXPECT_TRUE(std::any_of(result.routing.counts.begin(), result.routing.counts.end(), [](auto n) { return n > 0; }));
}

// The first update throws every weight to +-1e30 or so; no later loss is finite.
TEST(CapturedStep, SkipsWhatIsNotFinite) {
  Plan plan = padded(1);
  plan.workload.optimizer.learning_rate = 1e30;
  const TrainResult launched = train(plan, false), captured = train(plan, true);
  EXPECT_EQ(captured.skipped_steps, (std::vector<int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(captured.skipped_steps, launched.skipped_steps);
  EXPECT_EQ(captured.loss.front(), launched.loss.front());
}

void expect_refused(const Plan& plan) {
  check_plan(plan, "test");
  try {
    check_captures(plan, "plan.json");
    ADD_FAILURE() << "is not refused";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("no MoE layer or padded dispatch"), std::string::npos) << error.what();
  }
}

TEST(CapturedStep, IsRefusedWhereTheHostTakesPart) {
  EXPECT_NO_THROW(check_captures(padded(2), "plan.json"));
  EXPECT_NO_THROW(check_captures(dense(), "plan.json"));
  expect_refused(on_gpu(unchecked_plan_of(1, 1, 1)));  // rows follow the router
  Plan two_ranks = on_gpu(unchecked_plan_of(1, 2, 2)), core = padded(1), elsewhere = padded(1);
  two_ranks.dispatch = core.dispatch;
  expect_refused(two_ranks);
  core.cluster.device.lanes_share_core = true;
  expect_refused(core);
  elsewhere.expert_storage.home = Tier::host;
  expect_refused(elsewhere);
}

}  // namespace
}  // namespace moesaic::executor
