#pragma once
// The choices of all ranks' routers in the form of a routing document. It runs no step.

#include <memory>
#include <vector>

#include "core/plan/plan.h"
#include "executor/runtime/training/gather.h"
#include "executor/runtime/training/step_history.h"

namespace moesaic::executor {

/// Of the steps that were not captured, by iteration, source rank and token; null where they have recorded none. Every
/// rank holds those of all: 4 bytes a token, MoE layer and choice, twice with scores.
std::shared_ptr<const RoutingChoices> collect_choices(const Plan& plan, int64_t num_moe_layers,
                                                      const std::vector<TrainedStep>& steps, Gather& gather);

}  // namespace moesaic::executor
