#pragma once
// AdamW on expert states in host memory. It moves every parameter in every step, those without a gradient too: the
// steps that an expert has slept through follow when it wakes up, one by one, so that no bit differs from an expert
// that never slept.

#include <set>
#include <vector>

#include "core/schema/workload.h"
#include "executor/runtime/residency/slot_states.h"

namespace moesaic::executor {

class HostAdamW {
 public:
  HostAdamW(const Optimizer& optimizer, const SlotLayout& layout);

  /// From now on that step (from 0) counts as not taken: nobody catches it up.
  void skip(int64_t step) { skipped_.insert(step); }
  bool skips(int64_t step) const { return skipped_.contains(step); }

  /// Applies the steps before step number `steps` that the states lack, without gradients.
  void catch_up(SlotStates& states, int64_t steps) const;
  /// Applies the next step, to gradients times `gradient_scale`.
  void update(SlotStates& states, const SlotGradients& gradients, float gradient_scale) const;

 private:
  const Optimizer optimizer_;
  const SlotLayout layout_;
  const std::vector<float> zeros_;  // a gradient of nothing
  std::set<int64_t> skipped_;
};

}  // namespace moesaic::executor
