#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "executor/backend/inline_backend.h"
#include "executor/cpu/cpu_backend.h"
#include "executor/runtime/busy_time.h"
#include "executor/runtime/result_document.h"
#include "tests/executor/runtime/small_training.h"

namespace moesaic::executor {
namespace {

constexpr Seconds kSleep = 20e-3, kClocks = 1e-6;  // by which clocks may differ

Seconds now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void sleep() { std::this_thread::sleep_for(std::chrono::duration<double>(kSleep)); }

/// A device that claims to have slept.
class Sleeper final : public InlineBackend {
 public:
  std::string name() const override { return "sleeper"; }
  void* allocate(Bytes, Lane) override { return nullptr; }
  void release(void*, LaneSet) override {}
  void launch(const Launch&) override {}
  NonFinite find_non_finite(std::span<const Operand>) override { return {}; }
  Seconds slept() const override { return slept_s; }
  bool runs_inline() const override { return is_inline; }

  Seconds slept_s = 0;
  bool is_inline = true;
};

// A thread that sleeps has no processor time: of the wall time all is lost.
TEST(BusyTime, LosesWhatTheCoreDoesNotGiveToWork) {
  const Sleeper backend;
  BusyTime busy(backend);
  busy.works();
  sleep();
  busy.works();  // changes nothing
  busy.rests();
  EXPECT_GE(busy.take_lost(), kSleep - kClocks);
  EXPECT_EQ(busy.take_lost(), 0);  // taken
}

// Lost is at most the wall time of work, whatever else the machine does meanwhile.
TEST(BusyTime, LosesNothingAtRest) {
  const Sleeper backend;
  BusyTime busy(backend);
  Seconds worked = 0;
  for (int i = 0; i < 3; ++i) {
    const Seconds start = now();
    busy.works();
    busy.rests();
    worked += now() - start;
    sleep();
  }
  EXPECT_LE(busy.take_lost(), worked + 3 * kClocks);
}

// Of yields of 3, 2 and 5 s at rest: 2 s before the first work, 5 s before the second; nothing before the third.
TEST(BusyTime, LosesTheLastYieldOfAWait) {
  const Sleeper backend;
  BusyTime busy(backend);
  const Seconds start = now();
  busy.yielded(3);
  busy.yielded(2);
  busy.works();
  busy.rests();
  busy.yielded(5);
  busy.works();
  busy.rests();
  busy.works();
  const Seconds lost = busy.take_lost();
  EXPECT_GE(lost, 7);
  EXPECT_LE(lost, 7 + now() - start + 3 * kClocks);
}

TEST(BusyTime, LosesNothingByAPurposefulSleep) {
  Sleeper backend;
  BusyTime busy(backend);
  busy.works();
  backend.slept_s = 1e6;  // longer than this test may last
  busy.rests();
  EXPECT_EQ(busy.take_lost(), 0);
}

TEST(BusyTime, MeasuresNothingOfADeviceThatWorksByItself) {
  Sleeper backend;
  backend.is_inline = false;
  BusyTime busy(backend);
  EXPECT_FALSE(busy.measures());
  busy.works();
  sleep();
  busy.rests();
  busy.yielded(1);
  busy.works();
  EXPECT_EQ(busy.take_lost(), 0);
}

TEST(DisturbedRun, SaysWhatItRanOnAndWhatItLost) {
  const Plan plan = testing::plan_of(1, 2, 2);
  TrainOptions options;
  options.steps = 4;
  options.processor = {"a processor", "its instructions", 1};
  const Corpus corpus = testing::corpus();
  const TrainResult result = train_on_threads(plan, corpus, options);
  EXPECT_EQ(result.disturbance.by_step.size(), 4u);
  EXPECT_EQ(result.disturbance.by_rank.size(), 2u);
  EXPECT_EQ(result.disturbance.involuntary_switches.size(), 2u);
  EXPECT_EQ(result.disturbance.ranks_per_core, 2.0 / static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN)));
  const Json document = write_result(plan, result, corpus, "cpu");
  EXPECT_EQ(document["processors"],
            Json::parse(R"([{"name": "a processor", "ranks": 2, "instruction_set": "its instructions"}])"));
  const MeasuredSteps steps = *read_measured_steps(document, "result");  // refuses shares outside [0, 1]
  EXPECT_EQ(steps.seconds, result.step_seconds);
  EXPECT_EQ(steps.disturbance.by_step, result.disturbance.by_step);
  EXPECT_EQ(steps.disturbance.by_rank, result.disturbance.by_rank);
}

/// Claims that its launches slept longer than they lasted, as no device can but a test can tell.
class CpuThatSlept final : public cpu::CpuBackend {
 public:
  Seconds slept() const override { return 1e6 * now(); }
};

TEST(DisturbedRun, KnowsOfLaunchesThatSleepOnPurpose) {
  TrainOptions options;
  options.steps = 3;
  const TrainResult result = train_on_threads(testing::plan_of(1, 2, 2), testing::corpus(), options,
                                              [](int) { return std::make_unique<CpuThatSlept>(); });
  EXPECT_EQ(result.disturbance.by_step, (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(result.disturbance.share(), 0);
  EXPECT_EQ(result.processors.front().name, "");
}

}  // namespace
}  // namespace moesaic::executor
