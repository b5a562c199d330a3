#include "planner/prices/closed_form.h"

#include <algorithm>

namespace moesaic::planner {
namespace {

/// One step of a plan on its pipeline stages.
class PipelinedStep {
 public:
  PipelinedStep(const Plan& plan, const StepSample& sample, const PassTimes& times, Seconds send)
      : plan_(plan), sample_(sample), times_(times), send_(send) {}

  Seconds seconds() const {
    Seconds longest = 0, filled = 0;  // filled: the way of the first microbatch to a stage, and of the last one back
    const int m = plan_.layout.micro_batches;
    for (int stage = 0; stage < plan_.layout.pp; ++stage) {
      const Seconds forward = over(times_.forward, stage);
      const Seconds backward = sums_every_microbatch() ? last_backward(stage) : over(times_.backward, stage);
      longest = std::max(longest, filled + m * forward + (m - 1) * backward + last_backward(stage) + update(stage));
      filled += forward + backward + 2 * send_;
    }
    return longest;
  }

 private:
  Seconds over(const StepParts& parts, int stage) const {
    const int64_t layers = plan_.model.num_layers, pp = plan_.layout.pp;
    return parts.over(sample_.classes(), static_cast<int>(stage * layers / pp),
                      static_cast<int>((stage + 1) * layers / pp));
  }

  /// Then no microbatch goes far before the gradients of the one before it have been summed.
  bool sums_every_microbatch() const { return plan_.layout.zero > 1; }
  Seconds last_backward(int stage) const {
    return std::max(over(times_.last_backward, stage), over(times_.last_sums, stage));
  }
  Seconds update(int stage) const {
    const Seconds computed = over(times_.updates, stage), gathered = over(times_.update_gathers, stage);
    return plan_.cluster.device.lanes_share_core ? computed + gathered : std::max(computed, gathered);
  }

  const Plan& plan_;
  const StepSample& sample_;
  const PassTimes& times_;
  Seconds send_;  // of a microbatch to the next stage
};

/// Each rank sends its own tokens to its peer: one message through the card, or inside the node.
Seconds send_seconds(const Plan& plan, const Cluster& cluster) {
  if (plan.layout.pp == 1) return 0;
  const Bytes bytes = bytes_of(plan.workload.compute_dtype, sizes_of(plan).tokens * plan.model.hidden);
  const std::vector<int> pair = {0, plan.layout.stage_ranks()};
  return alpha_beta_seconds(all_to_all_demand(
                                pair, [&](int from, int) { return from == 0 ? bytes : 0; }, cluster),
                            cluster);
}

}  // namespace

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
  const PassTimes times = pass_times(sample, plan, times_, routing);
  return {PipelinedStep(plan, sample, times, send_seconds(plan, times_.cluster())).seconds(),
          memory_price(plan, sample, routing.rows, times.spans)};
}

}  // namespace moesaic::planner
