#include "core/steps/baseline_step.h"

#include "core/steps/steps.h"

namespace moesaic {

TaskGraph baseline_step(const Plan& plan) {
  if (plan.workload.phase == WorkloadPhase::training) return training_step(plan);
  return inference_step(plan);
}

}  // namespace moesaic
