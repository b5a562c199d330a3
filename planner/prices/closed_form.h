#pragma once
// Seconds and memory of a plan in closed form: from samples of layer classes, whatever the number of layers,
// microbatches and ranks. It prices what it can say; whether a plan fits, and which is best, others judge.

#include <array>
#include <map>
#include <memory>
#include <utility>

#include "planner/prices/memory_price.h"
#include "planner/prices/probes.h"
#include "planner/prices/task_times.h"

namespace moesaic::planner {

struct PlanPrice {
  Seconds seconds = 0;
  MemoryPrice memory;
};

class ClosedForm {
 public:
  /// Prices plans for these documents. InputError where the profile cannot be read.
  explicit ClosedForm(const Plan& documents);

  /// Of a legal plan for the same documents without elastic shares.
  PlanPrice price(const Plan& plan);

  /// What prices are made of, remembered for the plans that share it.
  const StepSample& sample_of(const Plan& plan);
  LayoutRouting& routing_of(const Plan& plan);
  TaskTimes& times() { return times_; }

 private:
  TaskTimes times_;
  /// What routing sees of a layout without a placement of its own.
  using RoutingKey = std::array<int64_t, 8>;
  static RoutingKey routing_key(const Plan& plan);

  std::map<StructureKey, std::unique_ptr<StepSample>> samples_;
  std::map<std::pair<RoutingKey, double>, std::unique_ptr<LayoutRouting>> routings_;  // and by capacity
  std::unique_ptr<LayoutRouting> of_placement_;  // of the last plan with a placement of its own
};

}  // namespace moesaic::planner
