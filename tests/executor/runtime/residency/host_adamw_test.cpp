// AdamW of expert slots against the CPU's kernel on plain arrays.
#include "executor/runtime/residency/host_adamw.h"

#include <gtest/gtest.h>

#include "executor/cpu/adamw.h"

namespace moesaic::executor {
namespace {

using Floats = std::vector<float>;

const SlotLayout kStatesLayout{{2, 3}};  // elements of up and down
const Floats kFirst = {0.5f, -1, 2, 0.25f, -3};
const Floats kGradients = {1, -2, 0.5f, 0.125f, 4};  // up, down

Optimizer optimizer() {
  Optimizer o;
  o.learning_rate = 0.1;
  o.weight_decay = 0.5;
  return o;
}

/// A slot as in kFirst, without moments.
SlotStates slot() {
  SlotStates states{AlignedBuffer(kStatesLayout.bytes())};
  std::fill_n(states.data(), kStatesPerWeight * kStatesLayout.weights(), 0.0f);
  std::copy_n(kFirst.data(), 2, states.data() + kStatesLayout.offset(0));
  std::copy_n(kFirst.data() + 2, 3, states.data() + kStatesLayout.offset(1));
  return states;
}

SlotGradients gradients() { return {kGradients.data(), kGradients.data() + 2}; }

/// The same weights and moments as arrays of 5.
struct Plain {
  Floats w = kFirst, m = Floats(5, 0.0f), v = Floats(5, 0.0f);

  void step(int64_t number, const Floats& g) {
    const Optimizer o = optimizer();
    const cpu::AdamW settings{o.learning_rate, o.beta1, o.beta2, o.epsilon, o.weight_decay};
    cpu::adamw_update(w.data(), g.data(), m.data(), v.data(), 5, settings, number, true);
  }
};

void expect_same(const SlotStates& states, const Plain& plain) {
  const auto part = [&](size_t parameter, int64_t state) {
    const float* data = states.data() + kStatesLayout.offset(parameter) + state * kStatesLayout.elements[parameter];
    return Floats(data, data + kStatesLayout.elements[parameter]);
  };
  const auto whole = [&](int64_t state) {
    Floats both = part(0, state);
    for (float value : part(1, state)) both.push_back(value);
    return both;
  };
  EXPECT_EQ(whole(0), plain.w);
  EXPECT_EQ(whole(1), plain.m);
  EXPECT_EQ(whole(2), plain.v);
}

TEST(HostAdamW, IsTheKernelOnBothParameters) {
  const HostAdamW adamw(optimizer(), kStatesLayout);
  SlotStates states = slot();
  Plain plain;
  for (int64_t number : {1, 2, 3}) {
    adamw.update(states, gradients(), 1);
    plain.step(number, kGradients);
  }
  EXPECT_EQ(states.steps, 3);
  expect_same(states, plain);
}

// One step with a gradient, then it sleeps through steps 2 to 5 (from 1), of which step 3 was skipped by all.
TEST(HostAdamW, CatchesUpWithTheStepsThatCounted) {
  HostAdamW adamw(optimizer(), kStatesLayout);
  SlotStates states = slot();
  Plain plain;
  adamw.update(states, gradients(), 1);
  plain.step(1, kGradients);
  adamw.skip(2);
  EXPECT_TRUE(adamw.skips(2));
  EXPECT_FALSE(adamw.skips(3));
  adamw.catch_up(states, 5);
  for (int64_t number : {2, 4, 5}) plain.step(number, Floats(5, 0.0f));
  EXPECT_EQ(states.steps, 5);
  expect_same(states, plain);
  adamw.catch_up(states, 5);  // it has
  expect_same(states, plain);
  adamw.update(states, gradients(), 1);
  plain.step(6, kGradients);
  expect_same(states, plain);
}

// Rates 0.1 / 4 (t + 1) up to t = 2, then 0.1: those of the steps that it slept through, one by one; clipped in the
// end.
TEST(HostAdamW, FollowsTheScheduleInItsSleep) {
  Optimizer o = optimizer();
  o.schedule = {LearningRateSchedule::Decay::constant, 3};
  const HostAdamW adamw(o, kStatesLayout);
  SlotStates states = slot();
  adamw.catch_up(states, 4);
  adamw.update(states, gradients(), 0.5f);
  Plain plain;
  for (int64_t number : {1, 2, 3, 4, 5}) {
    Floats g(5, 0.0f);
    for (size_t i = 0; number == 5 && i < g.size(); ++i) g[i] = 0.5f * kGradients[i];
    const cpu::AdamW settings{std::min(0.1, 0.025 * static_cast<double>(number)), o.beta1, o.beta2, o.epsilon,
                              o.weight_decay};
    cpu::adamw_update(plain.w.data(), g.data(), plain.m.data(), plain.v.data(), 5, settings, number, true);
  }
  expect_same(states, plain);
}

}  // namespace
}  // namespace moesaic::executor
