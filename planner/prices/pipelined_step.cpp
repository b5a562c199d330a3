#include "planner/prices/pipelined_step.h"

#include <algorithm>

#include "core/network/collective_demand.h"

namespace moesaic::planner {
namespace {

/// One step of a plan on its pipeline stages.
class PipelinedStep {
 public:
  PipelinedStep(const Plan& plan, const LayerClasses& classes, const PassTimes& times, Seconds send)
      : plan_(plan), classes_(classes), times_(times), send_(send) {}

  Seconds seconds() const {
    Seconds longest = 0, filled = 0;  // filled: the way of the first microbatch to a stage
    const int m = plan_.layout.micro_batches;
    for (int stage = 0; stage < plan_.layout.pp; ++stage) {
      const Seconds forward = over(times_.forward, stage);
      const Seconds done = filled + m * forward + (m - 1) * backward(stage) + last_backward(stage);
      longest = std::max(longest, done + drained(stage));
      filled += forward + send_;
    }
    return longest;
  }

 private:
  /// The way of the last microbatch back through earlier stages, to the update of one of them or of its own.
  Seconds drained(int from) const {
    Seconds longest = update(from), way = 0;
    for (int stage = from; stage-- > 0;) {
      way += backward(stage) - recomputed_ahead(stage) + send_;
      longest = std::max(longest, way + update(stage));
    }
    return longest;
  }

  /// A stage that waits for gradients runs the last of its layers again meanwhile.
  Seconds recomputed_ahead(int stage) const {
    if (plan_.layout.recompute == Recompute::none) return 0;
    const auto of_class = static_cast<size_t>(classes_.of_layer[static_cast<size_t>(layers(stage).last - 1)]);
    return std::min(times_.forward.of_class[of_class], times_.backward.of_class[of_class]);
  }

  Seconds backward(int stage) const {
    return sums_every_microbatch() ? last_backward(stage) : over(times_.backward, stage);
  }

  LayerRange layers(int stage) const { return layers_of_stage(stage, plan_.model.num_layers, plan_.layout.pp); }
  Seconds over(const StepParts& parts, int stage) const { return parts.over(classes_, layers(stage)); }

  /// Then no microbatch goes far before the gradients of the one before it have been summed.
  bool sums_every_microbatch() const { return plan_.layout.zero > 1; }
  Seconds last_backward(int stage) const {
    return std::max(over(times_.last_backward, stage), over(times_.last_sums, stage));
  }
  Seconds update(int stage) const {
    const Seconds computed = over(times_.updates, stage), gathered = over(times_.update_gathers, stage);
    return shares_one_lane(plan_) ? computed + gathered : std::max(computed, gathered);
  }

  const Plan& plan_;
  const LayerClasses& classes_;
  const PassTimes& times_;
  Seconds send_;  // of a microbatch to the next stage
};

/// Each rank sends its own tokens to its peer: one message through the card, or inside the node.
Seconds send_seconds(const Plan& plan) {
  const Cluster& cluster = plan.cluster;
  if (plan.layout.pp == 1) return 0;
  const Bytes bytes = bytes_of(plan.workload.compute_dtype, sizes_of(plan).tokens * plan.model.hidden);
  const std::vector<int> pair = {0, plan.layout.stage_ranks()};
  return alpha_beta_seconds(all_to_all_demand(
                                pair, [&](int from, int) { return from == 0 ? bytes : 0; }, cluster),
                            cluster);
}

}  // namespace

Seconds pipelined_seconds(const Plan& plan, const LayerClasses& classes, const PassTimes& times) {
  return PipelinedStep(plan, classes, times, send_seconds(plan)).seconds();
}

}  // namespace moesaic::planner
