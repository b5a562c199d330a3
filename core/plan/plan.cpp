#include "core/plan/plan.h"

#include <nlohmann/json.hpp>

#include "core/plan/choice_fields.h"

namespace moesaic {
namespace {

void check_routing(const Plan& plan, const PlanChecker& check) {
  if (!plan.routing.recorded()) return;
  check.require(
      plan.routing.num_moe_layers == plan.model.num_moe_layers() && plan.routing.num_experts == plan.model.num_experts,
      "/documents/routing/counts",
      "was recorded with " + std::to_string(plan.routing.num_moe_layers) + " MoE layers of " +
          std::to_string(plan.routing.num_experts) + " experts; the model has " +
          std::to_string(plan.model.num_moe_layers()) + " of " + std::to_string(plan.model.num_experts),
      "take a recording of this model, or a generator");
}

}  // namespace

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
  check_routing(plan, check);
}

}  // namespace moesaic
