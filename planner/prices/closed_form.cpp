#include "planner/prices/closed_form.h"

#include "planner/prices/pipelined_step.h"

namespace moesaic::planner {

ClosedForm::ClosedForm(const Plan& documents) : times_(documents) {}

ClosedForm::RoutingKey ClosedForm::routing_key(const Plan& plan) {
  const StepSizes sizes = sizes_of(plan);
  const auto number = [](auto choice) { return static_cast<int64_t>(choice); };
  return {sizes.tokens,
          sizes.ep,
          sizes.stage_ranks,
          plan.layout.expert_slices,
          plan.layout.token_copies(),
          number(plan.dispatch.all_to_all),
          number(plan.dispatch.kind),
          number(plan.dispatch.exchange)};
}

const StepSample& ClosedForm::sample_of(const Plan& plan) {
  std::unique_ptr<StepSample>& sample = samples_[structure_key(plan)];
  if (sample == nullptr) sample = std::make_unique<StepSample>(plan);
  return *sample;
}

LayoutRouting& ClosedForm::routing_of(const Plan& plan) {
  if (!plan.placement.empty()) return *(of_placement_ = std::make_unique<LayoutRouting>(plan));
  std::unique_ptr<LayoutRouting>& routing = routings_[{routing_key(plan), plan.dispatch.capacity_factor}];
  if (routing == nullptr) routing = std::make_unique<LayoutRouting>(plan);
  return *routing;
}

PlanPrice ClosedForm::price(const Plan& plan) {
  const StepSample& sample = sample_of(plan);
  LayoutRouting& routing = routing_of(plan);
  const LaneRules rules{shares_one_lane(plan), times_.collective_slowdown()};
  const PassTimes times = pass_times(sample, plan, times_.of_all(sample, plan, routing), rules);
  return {pipelined_seconds(plan, sample.classes(), times), memory_price(plan, sample, routing.rows, times.spans)};
}

}  // namespace moesaic::planner
