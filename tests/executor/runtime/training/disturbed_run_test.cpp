#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "executor/cpu/cpu_backend.h"
#include "executor/machine/steady_clock.h"
#include "executor/runtime/training/result_document.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor {
namespace {

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
  Seconds slept() const override { return 1e6 * steady_seconds(); }
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
