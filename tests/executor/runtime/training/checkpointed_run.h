#pragma once
// Runs that save every few steps and go on from there, with the same plan or with others.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor::testing {

/// Up to step `steps` of the run; `folder` "": without checkpoints.
inline TrainResult run(const Plan& plan, const std::string& folder, int64_t steps, bool resume, int64_t every = 3) {
  check_plan(plan, "test");
  TrainOptions options;
  options.steps = steps;
  options.checkpoint = {folder, every, resume};
  return train_on_threads(plan, corpus(), options);
}

/// Two steps by each plan in turn are the steps of one run of `alone`. f32 sums over ranks associate differently: 2e-5,
/// as in plan_equivalence_test.
inline void expect_one_run_in_turns(const std::vector<Plan>& plans, const Plan& alone, const std::string& folder) {
  const std::vector<double> expected = run(alone, "", 2 * std::ssize(plans), false).loss;
  std::vector<double> losses;
  int64_t steps = 0;
  for (const Plan& plan : plans) {
    steps += 2;
    const std::vector<double> own = run(plan, folder, steps, steps > 2).loss;
    ASSERT_EQ(own.size(), 2u);
    losses.insert(losses.end(), own.begin(), own.end());
  }
  for (size_t step = 0; step < expected.size(); ++step)
    EXPECT_NEAR(losses[step], expected[step], 2e-5 * expected[step]) << "step " << step;
}

}  // namespace moesaic::executor::testing
