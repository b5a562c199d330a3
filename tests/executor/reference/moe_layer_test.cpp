#include "executor/reference/moe_layer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/executor/reference/gradient_check.h"

namespace moesaic::executor::reference {
namespace {

TEST(ReferenceRouter, ChoosesByProbabilityThenIndexAndDropsInTokenOrder) {
  // One hidden unit of value 1 makes the logits the router's column: (0, 1, 1, -1). The choice is 1 then 2, each with
  // weight 1/2. Capacity 2 lets tokens 0 and 1 in and drops token 2.
  const double z[] = {1, 1, 1}, w[] = {0, 1, 1, -1};
  std::vector<double> p(12), weights(6);
  std::vector<std::int32_t> chosen(6);
  std::vector<std::int64_t> counts(4);
  router_forward(z, w, p.data(), chosen.data(), weights.data(), counts.data(), {3, 1, 4, 2, 2});
  EXPECT_EQ(chosen, (std::vector<std::int32_t>{1, 2, 1, 2, -1, -1}));
  EXPECT_EQ(counts, (std::vector<std::int64_t>{0, 2, 2, 0}));
  EXPECT_EQ(weights, (std::vector<double>{0.5, 0.5, 0.5, 0.5, 0.0, 0.0}));
}

TEST(ReferencePermute, RowsStandBySlotThenToken) {
  // Slots: expert 0 -> 2, 1 -> 0, 2 -> 1. Slot 0 takes tokens 0 and 2 (expert 1), slot 1 token 1 (expert 2), slot 2
  // tokens 0, 1 (expert 0).
  const std::int32_t chosen[] = {1, 0, 2, 0, 1, -1}, slot_of_expert[] = {2, 0, 1};
  std::vector<std::int32_t> row_of_choice(6);
  std::vector<std::int64_t> rows_per_slot(3);
  EXPECT_EQ(build_permutation(chosen, slot_of_expert, row_of_choice.data(), rows_per_slot.data(), 3, 2, 3), 5);
  EXPECT_EQ(row_of_choice, (std::vector<std::int32_t>{0, 3, 2, 4, 1, -1}));
  EXPECT_EQ(rows_per_slot, (std::vector<std::int64_t>{2, 1, 2}));
}

// The gradient of the whole layer, every parameter and the input, with and without drops.
void check_layer(const MoeShape& shape) {
  const auto [m, h, f, experts, top_k, capacity, alpha] = shape;
  MoeParameters parameters{random_values(2 * h, 1), random_values(experts * h, 2), random_values(experts * f * h, 3),
                           random_values(experts * h * f, 4)};
  MoeParameters gradients{std::vector<double>(parameters.norm.size()), std::vector<double>(parameters.router.size()),
                          std::vector<double>(parameters.up.size()), std::vector<double>(parameters.down.size())};
  auto x = random_values(m * h, 5);
  const auto dout = random_values(m * h, 6);
  std::vector<double> out(x.size()), dx(x.size());
  const auto loss = [&] {
    const auto saved = moe_layer_forward(x.data(), parameters, out.data(), shape);
    return dot(out, dout) + saved.auxiliary;
  };
  const auto saved = moe_layer_forward(x.data(), parameters, out.data(), shape);
  const auto dropped = std::count(saved.chosen.begin(), saved.chosen.end(), -1);
  EXPECT_EQ(dropped > 0, capacity != kNoCapacity) << "the case must exercise what it is for";
  moe_layer_backward(dout.data(), x.data(), parameters, saved, dx.data(), gradients, shape);
  expect_gradient(x, dx, loss, "x");
  expect_gradient(parameters.norm, gradients.norm, loss, "norm");
  expect_gradient(parameters.router, gradients.router, loss, "router");
  expect_gradient(parameters.up, gradients.up, loss, "up");
  expect_gradient(parameters.down, gradients.down, loss, "down");
}

TEST(ReferenceMoeLayer, GradientMatchesFiniteDifferencesForTopOne) {
  check_layer({.m = 6, .h = 4, .f = 5, .num_experts = 3, .top_k = 1, .alpha = 0.3});
}

TEST(ReferenceMoeLayer, GradientMatchesFiniteDifferencesForTopTwo) {
  check_layer({.m = 6, .h = 4, .f = 5, .num_experts = 4, .top_k = 2, .alpha = 0.3});
}

TEST(ReferenceMoeLayer, GradientMatchesFiniteDifferencesForEveryExpertChosen) {
  check_layer({.m = 4, .h = 3, .f = 4, .num_experts = 3, .top_k = 3, .alpha = 0.3});
}

TEST(ReferenceMoeLayer, GradientMatchesFiniteDifferencesWithDrops) {
  check_layer({.m = 7, .h = 4, .f = 5, .num_experts = 4, .top_k = 2, .capacity = 2, .alpha = 0.3});
}

}  // namespace
}  // namespace moesaic::executor::reference
