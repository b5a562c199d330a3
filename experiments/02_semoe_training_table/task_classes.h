#pragma once
// Where a step goes, by what a reader of the paper would name: every instant of every rank belongs to one class. It
// knows operators and labels, not plans.

#include <array>

#include "core/timeline/timeline.h"

namespace moesaic::experiments {

enum class TaskClass {
  attention,  // with its projections, norms and residuals
  experts,
  routing,  // router, permutations, regroupings
  head,     // embedding, output projection, loss
  optimizer,
  all_to_all,          // exposed: nothing is computed meanwhile; with the exchange of counts
  gradient_reduction,  // exposed
  weight_gather,       // exposed
  other,               // clearing, accumulating, transfers
  idle,                // nothing is open: waits for other ranks' compute
};
inline constexpr int kNumTaskClasses = static_cast<int>(TaskClass::idle) + 1;

const char* name_of(TaskClass task_class);
TaskClass class_of(const TaskRow& row);

struct ClassSeconds {
  std::array<Seconds, kNumTaskClasses> of{};  // [class]
  bool operator==(const ClassSeconds&) const = default;

  static void members(auto& self, auto visit) {
    for (int i = 0; i < kNumTaskClasses; ++i)
      visit(name_of(static_cast<TaskClass>(i)), self.of[static_cast<size_t>(i)]);
  }
};

/// Mean over ranks; compute goes before communication, and of several open tasks the first in program order. The sum is
/// the span of the timeline.
ClassSeconds class_seconds(const Timeline& timeline);

}  // namespace moesaic::experiments
