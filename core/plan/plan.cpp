#include "core/plan/plan.h"

#include <nlohmann/json.hpp>

#include "core/plan/choice_fields.h"

namespace moesaic {
void check_plan(const Plan& plan, const std::string& file) {
  const PlanChecker check(file);
  check_layout(plan, check);
  check_elastic(plan, check);
  check_cuts(plan, check);
  check_expert_storage(plan, check);
  check_fields_have_effect(plan, plan.workload.phase, check);
  check_prefetch(plan, check);
  check_embedding(plan, check);
  check_dispatch(plan, check);
  check_placement(plan, check);
  check_recorded_shape(plan.routing, plan.model.num_moe_layers(), plan.model.num_experts, file,
                       "/documents/routing/counts");
}

}  // namespace moesaic
