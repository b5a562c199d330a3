#pragma once
// Seconds and memory of a plan in closed form: from samples of layer classes, whatever the number of layers,
// microbatches and ranks. It prices what it can say; whether a plan fits, and which is best, others judge.

#include <array>
#include <map>
#include <memory>
#include <utility>

#include "planner/prices/memory_price.h"
#include "planner/prices/pass_times.h"
#include "planner/prices/probes.h"

namespace moesaic::planner {

struct PlanPrice {
  Seconds seconds = 0;
  MemoryPrice memory;
};

class ClosedForm {
 public:
  /// Prices plans for these documents. InputError where the profile cannot be read.
  explicit ClosedForm(const Plan& documents);

  /// Of a legal plan for the same documents without elastic shares:
  ///
  ///   step = max over stages s of [ sum_{j < s} (f_j + b_j + 2 send) + m f_s + (m - 1) b_s + b'_s + update_s ]
  ///
  /// with f, b the passes of a microbatch and m microbatches (one forward, one backward), b' the last backward pass
  /// with the sums of gradients that run beside it.
  PlanPrice price(const Plan& plan);

 private:
  const StepSample& sample_of(const Plan& plan);
  LayoutRouting& routing_of(const Plan& plan);

  TaskTimes times_;
  /// What routing sees of a layout without a placement of its own.
  using RoutingKey = std::array<int64_t, 8>;
  static RoutingKey routing_key(const Plan& plan);

  std::map<StructureKey, std::unique_ptr<StepSample>> samples_;
  std::map<std::pair<RoutingKey, double>, std::unique_ptr<LayoutRouting>> routings_;  // and by capacity
  std::unique_ptr<LayoutRouting> of_placement_;  // of the last plan with a placement of its own
};

}  // namespace moesaic::planner
