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

/// Mean over ranks, [class]; compute goes before communication, and of several open tasks the first in program order.
/// The sum is the span of the timeline.
std::array<Seconds, kNumTaskClasses> class_seconds(const Timeline& timeline);

/// {name: seconds} in the order of the classes.
Json class_document(const std::array<Seconds, kNumTaskClasses>& classes);

}  // namespace moesaic::experiments
