#include "executor/runtime/residency/host_adamw.h"

#include <algorithm>

#include "executor/cpu/adamw.h"

namespace moesaic::executor {

HostAdamW::HostAdamW(const Optimizer& optimizer, const SlotLayout& layout)
    : optimizer_(optimizer),
      layout_(layout),
      zeros_(static_cast<size_t>(*std::max_element(layout.elements.begin(), layout.elements.end())), 0.0f) {}

void HostAdamW::catch_up(SlotStates& states, int64_t steps) const {
  const SlotGradients none = {zeros_.data(), zeros_.data()};
  while (states.steps < steps)
    if (skips(states.steps))
      ++states.steps;
    else
      update(states, none, 1);
}

void HostAdamW::update(SlotStates& states, const SlotGradients& gradients, float gradient_scale) const {
  const Optimizer& o = optimizer_;
  const cpu::AdamW settings{
      o.learning_rate_at(states.steps), o.beta1, o.beta2, o.epsilon, o.weight_decay, gradient_scale};
  ++states.steps;  // the kernel counts from 1
  for (size_t p = 0; p < kSlotParameters; ++p) {
    float* w = states.data() + layout_.offset(p);
    const int64_t n = layout_.elements[p];
    cpu::adamw_update(w, gradients[p], w + n, w + 2 * n, n, settings, states.steps, true);
  }
}

}  // namespace moesaic::executor
