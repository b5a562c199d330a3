#include "planner/prices/size_form.h"

namespace moesaic::planner {

StepSizes sizes_of(const Plan& plan) {
  const Layout& layout = plan.layout;
  const int64_t sequences = plan.workload.global_batch / layout.micro_batches / layout.token_holders();
  return {sequences * plan.workload.tokens_per_sequence(), layout.ep, layout.stage_ranks()};
}

}  // namespace moesaic::planner
