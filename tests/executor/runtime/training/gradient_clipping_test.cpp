// Gradients are clipped by their global norm: that of plain loops over all gradients, the same to the bit however one
// number of ranks divides, moves and updates them, and within rounding on any other.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "executor/cpu/cpu_backend.h"
#include "tests/executor/checkpoint/toy_state.h"
#include "tests/executor/runtime/training/newest_checkpoint.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor {
namespace {

constexpr double kMaxNorm = 0.5;  // of norms from 0.4 to 1.8 in these runs

Plan clipped(Plan plan) {
  plan.workload.optimizer.max_gradient_norm = kMaxNorm;
  plan.workload.optimizer.learning_rate = 1e-2;
  plan.workload.optimizer.schedule = {LearningRateSchedule::Decay::cosine, 2, 6, 1e-3};
  return plan;
}

TrainResult train_clipped(const Plan& plan, const CheckpointPolicy& checkpoint = {}, int64_t steps = testing::kSteps) {
  check_plan(plan, "test");
  TrainOptions options;
  options.steps = steps;
  options.checkpoint = checkpoint;
  return train_on_threads(plan, testing::corpus(), options);
}

/// Clips as torch.nn.utils.clip_grad_norm_ does: a loop over all gradients for the norm, another one that multiplies.
/// It does so before the first update and keeps the sum for itself, so that nobody else clips.
class ClippingBackend final : public cpu::CpuBackend {
 public:
  explicit ClippingBackend(std::vector<double>& norms) : norms_(norms) {}

  NonFinite find_non_finite(std::span<const Operand> operands, ExactSquares* squares) override {
    if (squares == nullptr) return cpu::CpuBackend::find_non_finite(operands, nullptr);
    gradients_.insert(gradients_.end(), operands.begin(), operands.end());
    return {};
  }
  void launch(const Launch& launch) override {
    if (launch.task.op == Op::adamw && !gradients_.empty()) clip();
    cpu::CpuBackend::launch(launch);
  }

 private:
  void clip() {
    double sum = 0;
    for (const Operand& operand : gradients_)
      for (int64_t i = 0; i < operand.elements(); ++i) sum += std::pow(static_cast<double>(operand.f32()[i]), 2);
    norms_.push_back(std::sqrt(sum));
    const auto factor = static_cast<float>(std::min(1.0, kMaxNorm / (norms_.back() + 1e-6)));
    for (const Operand& operand : gradients_)
      for (int64_t i = 0; i < operand.elements(); ++i) operand.f32()[i] *= factor;
    gradients_.clear();
  }

  std::vector<double>& norms_;
  std::vector<Operand> gradients_;  // of the step
};

TEST(GradientClipping, IsThatOfPlainLoops) {
  const Plan plan = clipped(testing::plan_of(1, 1, 1));
  std::vector<double> norms;
  TrainOptions options;
  options.steps = testing::kSteps;
  const TrainResult expected =
      train_on_threads(plan, testing::corpus(), options, [&](int) { return std::make_unique<ClippingBackend>(norms); });
  const TrainResult found = train_clipped(plan);
  EXPECT_EQ(found.loss, expected.loss);
  ASSERT_EQ(found.gradient_norm.size(), norms.size());
  for (size_t step = 0; step < norms.size(); ++step) EXPECT_NEAR(found.gradient_norm[step], norms[step], 1e-13);
  EXPECT_GT(*std::ranges::max_element(norms), 2 * kMaxNorm);  // it has clipped
  EXPECT_EQ(found.learning_rate[0], 1e-2 / 3);
  Plan other = plan;
  other.workload.optimizer.max_gradient_norm = 0;
  const TrainResult free = train_clipped(other);
  EXPECT_NE(free.loss, found.loss);
  EXPECT_TRUE(free.gradient_norm.empty());
}

struct ClippingCase {
  int nodes, per_node, ep;
};
class ClippingOn : public ::testing::TestWithParam<ClippingCase> {};

/// Losses and norms to the bit.
void expect_same(const Plan& plan, const TrainResult& expected, const std::string& what) {
  const TrainResult found = train_clipped(plan);
  EXPECT_EQ(found.loss, expected.loss) << what;
  EXPECT_EQ(found.gradient_norm, expected.gradient_norm) << what;
}

// One microbatch: with more, ZeRO and offloading add gradients in another order.
TEST_P(ClippingOn, DividedGradientsCountsEachOnce) {
  const auto [nodes, per_node, ep] = GetParam();
  Plan base = clipped(testing::plan_of(nodes, per_node, ep));
  base.layout.micro_batches = 1;
  const TrainResult expected = train_clipped(base);
  for (int zero : {0, 1, 2, 3}) {
    Plan plan = base;
    plan.layout.zero = zero;
    (zero == 3 ? plan.fused_parameter_bytes : plan.gradient_bucket_bytes) = 30'000;
    expect_same(plan, expected, "ZeRO " + std::to_string(zero));
  }
  for (Tier home : {Tier::host, Tier::storage})
    for (int zero : {0, 2}) {
      Plan plan = base;
      plan.cluster.storage_read_bytes_per_s = plan.cluster.storage_write_bytes_per_s = 1e9;
      plan.layout.zero = zero;
      plan.expert_storage.home = home;
      plan.expert_storage.cache_entries = home == Tier::storage ? 3 : 0;
      plan.prefetch.experts = 1;
      expect_same(plan, expected, "experts elsewhere, ZeRO " + std::to_string(zero));
    }
}

INSTANTIATE_TEST_SUITE_P(Ranks, ClippingOn,
                         ::testing::Values(ClippingCase{1, 1, 1}, ClippingCase{1, 2, 1}, ClippingCase{1, 2, 2},
                                           ClippingCase{1, 4, 2}, ClippingCase{2, 2, 4}));

// 2e-5 relative, as in plan_equivalence_test: f32 sums over ranks, heads and slices associate otherwise.
TEST(GradientClipping, IsThatOfOneRankWithinRounding) {
  const TrainResult expected = train_clipped(clipped(testing::plan_of(1, 1, 1)));
  const auto compare = [&](int ranks, int ep, const std::function<void(Layout&)>& change, const std::string& what) {
    Plan plan = clipped(testing::plan_of(1, ranks, ep));
    change(plan.layout);
    const TrainResult found = train_clipped(plan);
    for (size_t step = 0; step < expected.loss.size(); ++step) {
      EXPECT_NEAR(found.loss[step] / expected.loss[step], 1, 2e-5) << what << ", step " << step;
      EXPECT_NEAR(found.gradient_norm[step] / expected.gradient_norm[step], 1, 1e-4) << what << ", step " << step;
    }
  };
  compare(
      2, 1, [](Layout&) {}, "2 ranks");
  compare(
      4, 2, [](Layout&) {}, "4 ranks, ep 2");
  compare(
      2, 1, [](Layout& layout) { layout.tp = 2; }, "tp");
  compare(
      4, 2, [](Layout& layout) { layout.tp = 2; }, "tp and ep");
  compare(
      2, 1, [](Layout& layout) { layout.pp = 2; }, "pp");
  compare(
      4, 2, [](Layout& layout) { layout.pp = 2, layout.zero = 1; }, "pp and ZeRO");
  compare(
      4, 4, [](Layout& layout) { layout.expert_slices = 2; }, "slices");
  compare(
      4, 2, [](Layout& layout) { layout.zero = 3, layout.tp = 2; }, "tp and ZeRO");
}

// Expert 5 has three slots, expert 2 three; in the other layer expert 0 has five. The summed gradients of all of them
// are the same, and one of each counts.
TEST(GradientClipping, CountsReplicasOnce) {
  Plan one = clipped(testing::plan_of(1, 1, 1));
  one.workload.global_batch = 8;
  const TrainResult expected = train_clipped(one);
  for (const auto& [zero, home] : {std::pair{0, Tier::device}, {2, Tier::device}, {0, Tier::host}}) {
    Plan plan = clipped(testing::unchecked_plan_of(1, 2, 2));
    plan.workload.global_batch = 8;
    plan.placement = {{6, {5, 2, 7, 0, 5, 1, /**/ 6, 3, 4, 5, 2, 2}}, {6, {0, 1, 2, 3, 0, 0, /**/ 4, 5, 6, 7, 0, 0}}};
    plan.layout.zero = zero;
    plan.expert_storage.home = home;
    const TrainResult found = train_clipped(plan);
    for (size_t step = 0; step < expected.loss.size(); ++step) {
      EXPECT_NEAR(found.gradient_norm[step] / expected.gradient_norm[step], 1, 1e-4) << zero << ", step " << step;
      EXPECT_NEAR(found.loss[step] / expected.loss[step], 1, 2e-5) << zero << ", step " << step;
    }
  }
}

// Each rank has its columns of the table, so each counts its own.
TEST(GradientClipping, CountsThePartsOfATableOnce) {
  Plan plan = clipped(testing::unchecked_plan_of(1, 1, 1));
  plan.model.tied_embeddings = false;
  const TrainResult expected = train_clipped(plan);
  plan.cluster.devices_per_node = plan.layout.ranks = 4;
  plan.layout.ep = 2;
  plan.embedding = Embedding::column_partition;
  const TrainResult found = train_clipped(plan);
  for (size_t step = 0; step < expected.loss.size(); ++step)
    EXPECT_NEAR(found.gradient_norm[step] / expected.gradient_norm[step], 1, 1e-4) << step;
}

// Six steps; then three and three from a checkpoint: losses, norms, rates and every weight and moment.
TEST(GradientClipping, ResumesBitForBitOnItsSchedule) {
  for (Tier home : {Tier::device, Tier::storage}) {
    Plan plan = clipped(testing::plan_of(1, 2, 2));
    plan.cluster.storage_read_bytes_per_s = plan.cluster.storage_write_bytes_per_s = 1e9;
    plan.expert_storage.home = home;
    plan.expert_storage.cache_entries = home == Tier::storage ? 3 : 0;
    const TestFolder straight, parted;
    const TrainResult whole = train_clipped(plan, {straight.path, 3}, 6),
                      first = train_clipped(plan, {parted.path, 3}, 3),
                      rest = train_clipped(plan, {parted.path, 3, true}, 6);
    for (const auto part : {&TrainResult::loss, &TrainResult::gradient_norm, &TrainResult::learning_rate}) {
      std::vector<double> both = first.*part;
      both.insert(both.end(), (rest.*part).begin(), (rest.*part).end());
      EXPECT_EQ(both, whole.*part);
    }
    EXPECT_EQ(testing::newest(parted.path), testing::newest(straight.path));
  }
}

// Another schedule, another clipping, or one where there was none, is another run.
TEST(GradientClipping, OfAnotherRunIsRefused) {
  const TestFolder folder;
  const Plan plan = clipped(testing::plan_of(1, 1, 1));
  train_clipped(plan, {folder.path, 1}, 1);
  for (const auto change : {+[](Optimizer& o) { o.max_gradient_norm = 1; }, +[](Optimizer& o) { o.schedule = {}; },
                            +[](Optimizer& o) { o.schedule.decay_steps = 7; }}) {
    Plan other = plan;
    change(other.workload.optimizer);
    EXPECT_THROW(train_clipped(other, {folder.path, 1, true}, 2), InputError);
  }
}

}  // namespace
}  // namespace moesaic::executor
