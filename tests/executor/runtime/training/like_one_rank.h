#pragma once
// Whether a plan computes what one rank computes: the same losses over several steps and, logical tensor by logical
// tensor, the same gradients.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/technique/lower.h"
#include "tests/executor/runtime/training/tensors_after.h"

namespace moesaic::executor::testing {

inline std::vector<double> four_losses(const Plan& plan) {
  check_plan(plan, "test");
  TrainOptions options;
  options.steps = 4;
  return train_on_threads(plan, corpus(), options).loss;
}

/// First moments after one step, a tenth of the gradients, by logical tensor.
inline Tensors gradients(const Plan& plan) {
  check_plan(plan, "test");
  return tensors_after(1, State::first_moment, plan, lower(plan));
}

inline float largest(const std::vector<float>& values) {
  float most = 0;
  for (float value : values) most = std::max(most, std::abs(value));
  return most;
}

/// The plan's model, batch and microbatches on one rank, with every decision as it is by default.
inline Plan on_one_rank(const Plan& plan) {
  Plan one = unchecked_plan_of(1, 1, 1);
  one.model = plan.model;
  one.workload = plan.workload;
  one.layout.micro_batches = plan.layout.micro_batches;
  return one;
}

/// Sums over parts associate differently: f32 rounding, 6e-8 a sum, of sums that cancel.
inline void expect_gradients_of_one_rank(const Plan& plan) {
  const Tensors expected = gradients(on_one_rank(plan)), found = gradients(plan);
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [name, values] : expected) {
    const std::vector<float>& many = found.at(name);
    ASSERT_EQ(many.size(), values.size()) << name;
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_NEAR(many[i], values[i], 1e-4f * largest(values)) << name << " element " << i;
  }
}

inline void expect_like_one_rank(const Plan& plan) {
  expect_gradients_of_one_rank(plan);
  const std::vector<double> many = four_losses(plan), one_rank = four_losses(on_one_rank(plan));
  for (size_t step = 0; step < many.size(); ++step) EXPECT_NEAR(many[step], one_rank[step], 2e-5 * one_rank[step]);
}

}  // namespace moesaic::executor::testing
