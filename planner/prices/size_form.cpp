#include "planner/prices/size_form.h"

namespace moesaic::planner {

StepSizes sizes_of(const Plan& plan) {
  const Layout& layout = plan.layout;
  const int64_t length = plan.workload.phase == WorkloadPhase::decode ? 1 : plan.workload.sequence_length;
  return {plan.workload.global_batch / layout.micro_batches / layout.token_holders() * length, layout.ep,
          layout.stage_ranks()};
}

}  // namespace moesaic::planner
