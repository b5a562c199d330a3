#include "core/steps/baseline_step.h"

#include "core/blocks/model_blocks.h"
#include "core/schema/error.h"
#include "core/steps/steps.h"

namespace moesaic {

TaskGraph baseline_step(const Plan& plan) {
  if (const std::string part = unlowered_part(plan.model); !part.empty())
    throw InputError(plan.name, "/documents/model", "has " + part + ", which no block computes",
                     "attention that sees all keys or a window in every layer", "choose another model");
  if (plan.workload.phase == WorkloadPhase::training) return training_step(plan);
  return inference_step(plan);
}

}  // namespace moesaic
