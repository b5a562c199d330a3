// NaN and infinities appear anywhere in a training step, on any rank: all ranks skip that step or none does, a skipped
// step changes no bit of weights and moments, and training goes on.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>

#include "core/operators/optimizer.h"
#include "core/schema/error.h"
#include "core/technique/lower.h"
#include "executor/comm/threads.h"
#include "executor/cpu/cpu_backend.h"
#include "tests/executor/checkpoint/toy_state.h"
#include "tests/executor/runtime/training/newest_checkpoint.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor {
namespace {

using operands::AdamW;
using testing::newest;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

/// One element of what one task of one rank writes.
struct Poison {
  int rank = 0;
  std::string label;
  size_t output = 0;
  uint64_t element = 0;  // modulo the elements that there are
  float value = kNan;
  bool decides = true;  // the step cannot be finite; infinities in the forward pass may end in a saturated function
};
using Schedule = std::map<int64_t, Poison>;  // by step, from 0

/// A CPU that poisons, and watches what AdamW does.
class PoisonedBackend final : public cpu::CpuBackend {
 public:
  struct Updates {  // of one step
    int tasks = 0, changed = 0, cleared = 0, finite = 0;
  };
  explicit PoisonedBackend(const Schedule& schedule) : schedule_(schedule) {}

  void launch(const Launch& l) override {
    if (l.task.op == Op::adamw) return update(l);
    CpuBackend::launch(l);
    const auto entry = schedule_.find(l.context.step);
    if (entry == schedule_.end() || entry->second.rank != l.context.rank || entry->second.label != l.task.label) return;
    const Operand& operand = l.writes[entry->second.output];
    if (operand.elements() == 0) return;  // no token came this way
    operand.f32()[entry->second.element % static_cast<uint64_t>(operand.elements())] = entry->second.value;
    poisoned.push_back(l.context.step);
  }

  std::vector<int64_t> poisoned;       // steps
  std::map<int64_t, Updates> updates;  // by step
  bool only_updates_change = true;     // weights and moments are those that the last AdamW left

 private:
  static std::vector<float> state_of(const Launch& l) {
    std::vector<float> state;
    for (size_t i = 0; i < l.writes.size(); ++i)
      if (i % AdamW::kWrites != AdamW::cleared)
        state.insert(state.end(), l.writes[i].f32(), l.writes[i].f32() + l.writes[i].elements());
    return state;
  }
  static bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
  }

  void update(const Launch& l) {
    const std::vector<float> before = state_of(l);
    const auto left = left_.find(l.task.label);
    only_updates_change = only_updates_change && (left == left_.end() || same_bits(left->second, before));
    CpuBackend::launch(l);
    std::vector<float> after = state_of(l);
    Updates& step = updates[l.context.step];
    ++step.tasks;
    step.changed += !same_bits(before, after);
    step.finite += std::all_of(after.begin(), after.end(), [](float x) { return std::isfinite(x); });
    bool cleared = true;
    for (size_t i = AdamW::cleared; i < l.writes.size(); i += AdamW::kWrites)
      cleared = cleared && std::all_of(l.writes[i].f32(), l.writes[i].f32() + l.writes[i].elements(),
                                       [](float x) { return x == 0; });
    step.cleared += cleared;
    left_[l.task.label] = std::move(after);
  }

  const Schedule schedule_;
  std::map<std::string, std::vector<float>> left_;  // by task
};

/// What every rank saw; also of a job that ended with an error.
struct SkippingOutcome {
  std::vector<TrainResult> results;                        // [ranks]
  std::vector<std::unique_ptr<PoisonedBackend>> backends;  // [ranks]
  std::vector<std::pair<int64_t, std::string>> reasons;    // of rank 0: step from 0, what it was told
  std::string error;
};

SkippingOutcome trained(const Plan& plan, const Schedule& schedule, int64_t steps,
                        const CheckpointPolicy& checkpoint = {}) {
  check_plan(plan, "test");
  SkippingOutcome outcome;
  outcome.results.resize(static_cast<size_t>(plan.layout.ranks));
  for (int rank = 0; rank < plan.layout.ranks; ++rank)
    outcome.backends.push_back(std::make_unique<PoisonedBackend>(schedule));
  TrainOptions options;
  options.steps = steps;
  options.checkpoint = checkpoint;
  options.on_skip = [&](int64_t step, const std::string& reason) { outcome.reasons.emplace_back(step, reason); };
  try {
    run_on_threads(plan.layout.ranks, plan.cluster.devices_per_node, [&](int rank, Transport& transport) {
      const auto r = static_cast<size_t>(rank);
      outcome.results[r] = train(plan, rank, *outcome.backends[r], transport, testing::corpus(), options);
    });
  } catch (const DeviceError& error) {
    outcome.error = error.what();
  }
  return outcome;
}

/// Losses with NaN replaced by a number that is equal to itself.
std::vector<double> comparable(const std::vector<double>& losses) {
  std::vector<double> numbers;
  for (double loss : losses) numbers.push_back(std::isnan(loss) ? -1 : loss);
  return numbers;
}

/// Every second step of `steps` is poisoned: every f32 tensor that some task of forward or backward writes has its
/// turn, drawn without repetition.
Schedule every_second_step(const Plan& plan, int64_t steps, uint64_t seed) {
  const TaskGraph graph = lower(plan);
  std::vector<Poison> all;
  for (const Task& task : graph.tasks) {
    if (task.lane != Lane::compute || task.phase == Phase::update || task.op == Op::clear) continue;
    for (size_t output = 0; output < task.writes.size(); ++output) {
      const Tensor& tensor = graph.tensors[task.writes[output]];
      if (tensor.dtype == DType::i32 || tensor.name == "loss") continue;
      all.push_back({std::max(task.stage, 0) * plan.layout.stage_ranks(), task.label, output, 0, kNan, true});
      all.back().decides = task.phase == Phase::backward;
    }
  }
  Schedule schedule;
  for (int64_t step = 1; step < steps && !all.empty(); step += 2) {
    const uint64_t draw = splitmix64(seed * 1000 + static_cast<uint64_t>(step));
    const size_t chosen = draw % all.size();
    Poison poison = all[chosen];
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(chosen));
    poison.rank += static_cast<int>(draw / 7 % static_cast<uint64_t>(plan.layout.stage_ranks()));
    poison.element = draw / 11;
    poison.value = std::vector<float>{kNan, kInfinity, -kInfinity}[draw / 13 % 3];
    poison.decides = poison.decides || std::isnan(poison.value);
    schedule[step] = poison;
  }
  return schedule;
}

struct SkippingShape {
  const char* name;
  int nodes, per_node, ep, micro_batches, zero;
  Tier experts;
  Bytes fused;
  int chunks;
  int pp = 1;
};

Plan skipping_plan(const SkippingShape& shape, bool offloaded) {
  Plan plan = testing::plan_of(shape.nodes, shape.per_node, shape.ep);
  plan.layout.micro_batches = shape.micro_batches;
  plan.layout.zero = shape.zero;
  plan.layout.pp = shape.pp;
  (shape.zero == 3 ? plan.fused_parameter_bytes : plan.gradient_bucket_bytes) = shape.fused;
  plan.dispatch.chunks = shape.chunks;
  if (offloaded) {
    plan.cluster.storage_read_bytes_per_s = plan.cluster.storage_write_bytes_per_s = 1e9;
    plan.expert_storage.home = shape.experts;
    plan.expert_storage.cache_entries = shape.experts == Tier::storage ? 3 : 0;
    plan.prefetch.experts = 1;
  }
  check_plan(plan, "test");
  return plan;
}

/// Which steps were skipped: the same on all ranks, those that were poisoned where the poison decides.
std::vector<int64_t> expect_skips(const SkippingOutcome& outcome, const Schedule& schedule, int64_t steps) {
  const std::vector<int64_t> skipped = outcome.results[0].skipped_steps;
  for (const TrainResult& result : outcome.results) EXPECT_EQ(result.skipped_steps, skipped);
  std::vector<bool> poisoned(static_cast<size_t>(steps), false);
  for (const auto& backend : outcome.backends)
    for (int64_t step : backend->poisoned) poisoned[static_cast<size_t>(step)] = true;
  for (int64_t step = 0; step < steps; ++step) {
    const bool is_skipped = std::find(skipped.begin(), skipped.end(), step) != skipped.end();
    if (!poisoned[static_cast<size_t>(step)]) {
      EXPECT_FALSE(is_skipped) << "step " << step;
      continue;
    }
    const Poison& poison = schedule.at(step);
    EXPECT_TRUE(is_skipped || !poison.decides)
        << "step " << step << ": " << poison.value << " in output " << poison.output << " of '" << poison.label
        << "' on rank " << poison.rank;
  }
  return skipped;
}

/// On every rank a skipped step changed no weight or moment and cleared all gradients, every other step changed all.
void expect_all_or_nothing(const SkippingOutcome& outcome, const std::vector<int64_t>& skipped) {
  for (const auto& backend : outcome.backends) {
    EXPECT_TRUE(backend->only_updates_change);
    for (const auto& [step, updates] : backend->updates) {
      const bool is_skipped = std::find(skipped.begin(), skipped.end(), step) != skipped.end();
      EXPECT_EQ(updates.changed, is_skipped ? 0 : updates.tasks) << "step " << step;
      EXPECT_EQ(updates.cleared, updates.tasks) << "step " << step;
      EXPECT_EQ(updates.finite, updates.tasks) << "step " << step;
    }
  }
}

class Skips : public ::testing::TestWithParam<SkippingShape> {};

constexpr int64_t kCasesPerShape = 30;

// 11 shapes of 30 cases. Expert states outside the device go through no AdamW that this test sees: their run must have
// the losses of the run on the device, whose updates it saw, to the bit.
TEST_P(Skips, AllRanksOrNone) {
  const int64_t steps = 2 * kCasesPerShape;
  const Plan plan = skipping_plan(GetParam(), false);
  const Schedule schedule =
      every_second_step(plan, steps, static_cast<uint64_t>(GetParam().per_node + GetParam().zero));
  ASSERT_EQ(schedule.size(), static_cast<size_t>(kCasesPerShape));
  const SkippingOutcome outcome = trained(plan, schedule, steps);
  ASSERT_EQ(outcome.error, "");
  const std::vector<int64_t> skipped = expect_skips(outcome, schedule, steps);
  EXPECT_GE(skipped.size(), 20u);  // that the poison is one
  expect_all_or_nothing(outcome, skipped);
  const std::vector<double>& loss = outcome.results[0].loss;
  for (int64_t step = 0; step < steps; ++step)
    EXPECT_EQ(std::isfinite(loss[static_cast<size_t>(step)]),
              std::find(skipped.begin(), skipped.end(), step) == skipped.end());
  EXPECT_LT(loss[static_cast<size_t>(steps) - 2], loss[0]);
  if (GetParam().experts == Tier::device) return;
  const SkippingOutcome offloaded = trained(skipping_plan(GetParam(), true), schedule, steps);
  expect_all_or_nothing(offloaded, expect_skips(offloaded, schedule, steps));
  EXPECT_EQ(comparable(offloaded.results[0].loss), comparable(loss));
}

INSTANTIATE_TEST_SUITE_P(Plans, Skips,
                         ::testing::Values(SkippingShape{"one_rank", 1, 1, 1, 2, 0, Tier::storage, 0, 1},
                                           SkippingShape{"two_ranks", 1, 2, 2, 2, 0, Tier::device, 0, 1},
                                           SkippingShape{"replicas", 1, 2, 1, 1, 0, Tier::host, 0, 1},
                                           SkippingShape{"buckets", 1, 4, 2, 2, 0, Tier::device, 30'000, 1},
                                           SkippingShape{"zero_1", 1, 4, 2, 2, 1, Tier::device, 30'000, 1},
                                           SkippingShape{"zero_2", 1, 4, 2, 2, 2, Tier::device, 30'000, 1},
                                           SkippingShape{"zero_3", 1, 4, 1, 1, 3, Tier::device, 30'000, 1},
                                           SkippingShape{"chunks", 2, 2, 4, 1, 0, Tier::device, 0, 2},
                                           SkippingShape{"stages", 1, 4, 2, 2, 1, Tier::device, 30'000, 1, 2},
                                           SkippingShape{"storage", 1, 2, 2, 2, 0, Tier::storage, 0, 1},
                                           SkippingShape{"storage_and_zero", 1, 4, 2, 1, 2, Tier::storage, 30'000, 1}),
                         [](const auto& instance) { return instance.param.name; });

// One token per microbatch wakes 2 of 8 experts; the others catch up later, with the steps that counted only.
TEST(Skips, SleepingExpertsDoNotCatchUpWithThem) {
  const int64_t steps = 40;
  const auto tiny = [](bool offloaded) {
    Plan plan = skipping_plan({"", 1, 1, 1, 1, 0, Tier::storage, 0, 1}, offloaded);
    plan.workload.global_batch = 1;
    plan.workload.sequence_length = 3;
    plan.workload.optimizer.weight_decay = 0.5;
    return plan;
  };
  const Schedule schedule = every_second_step(tiny(false), steps, 5);
  const SkippingOutcome expected = trained(tiny(false), schedule, steps), found = trained(tiny(true), schedule, steps);
  EXPECT_GE(expected.results[0].skipped_steps.size(), 12u);
  expect_all_or_nothing(expected, expect_skips(expected, schedule, steps));
  EXPECT_EQ(found.results[0].skipped_steps, expected.results[0].skipped_steps);
  EXPECT_EQ(comparable(found.results[0].loss), comparable(expected.results[0].loss));
}

/// The gradient of layer 1's output projection on rank 1, in steps [first, first + count).
Schedule in_a_row(int64_t first, int64_t count, float value = kNan) {
  Schedule schedule;
  for (int64_t step = first; step < first + count; ++step)
    schedule[step] = {1, "layer 1 / backward / out wgrad", 0, 5, value, true};
  return schedule;
}

Plan two_ranks() { return skipping_plan({"", 1, 2, 2, 1, 0, Tier::device, 0, 1}, false); }

TEST(Skips, NineInARowAndGoesOn) {
  const SkippingOutcome outcome = trained(two_ranks(), in_a_row(2, 9), 13);
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.results[0].skipped_steps, (std::vector<int64_t>{2, 3, 4, 5, 6, 7, 8, 9, 10}));
  ASSERT_EQ(outcome.reasons.size(), 9u);
  // The gradient is summed before ranks look at it: all of them find it, the first is named.
  EXPECT_EQ(outcome.reasons[8].second, "the gradient of layers.1.out is not finite, or above 2^64, on rank 0");
  EXPECT_LT(outcome.results[0].loss[12], outcome.results[0].loss[0]);
}

TEST(Skips, TenInARowEndTheRun) {
  const SkippingOutcome outcome = trained(two_ranks(), in_a_row(2, 10), 20);
  EXPECT_EQ(
      outcome.error,
      "step 12 is the 10th in a row that changes nothing: the gradient of layers.1.out is not finite, or above "
      "2^64, on rank 0; weights and moments are those before step 3; lower the learning rate, or look for what is "
      "not finite");
  expect_all_or_nothing(outcome, {2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  EXPECT_EQ(outcome.backends[1]->updates.size(), 12u);
}

// 3e38 is a float, its square is not: the second moment would be infinite for ever.
TEST(Skips, GradientsWithoutASquare) {
  EXPECT_EQ(trained(two_ranks(), in_a_row(1, 1, 3e38f), 3).results[1].skipped_steps, std::vector<int64_t>{1});
  EXPECT_EQ(trained(two_ranks(), in_a_row(1, 1, 1e19f), 3).results[1].skipped_steps, std::vector<int64_t>{});
}

// Steps 1 and 4 are skipped; a checkpoint after three of six steps, and then a run that goes on from there.
TEST(Skips, AndResumesBitForBit) {
  Schedule schedule = in_a_row(1, 1);
  schedule.merge(in_a_row(4, 1));
  for (bool offloaded : {false, true}) {
    const Plan plan = skipping_plan({"", 1, 2, 2, 1, 0, Tier::storage, 0, 1}, offloaded);
    const TestFolder whole, parted;
    const SkippingOutcome straight = trained(plan, schedule, 6, {whole.path, 3});
    const SkippingOutcome first = trained(plan, schedule, 3, {parted.path, 3}),
                          rest = trained(plan, schedule, 6, {parted.path, 3, true});
    std::vector<double> losses = first.results[0].loss;
    losses.insert(losses.end(), rest.results[0].loss.begin(), rest.results[0].loss.end());
    EXPECT_EQ(comparable(losses), comparable(straight.results[0].loss));
    EXPECT_EQ(straight.results[0].skipped_steps, (std::vector<int64_t>{1, 4}));
    EXPECT_EQ(rest.results[0].skipped_steps, std::vector<int64_t>{4});
    EXPECT_EQ(newest(parted.path), newest(whole.path));
  }
}

}  // namespace
}  // namespace moesaic::executor
