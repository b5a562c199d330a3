#include "core/plan/partial_plan.h"

#include <nlohmann/json.hpp>

namespace moesaic {

void PartialPlan::apply(PlanChoices& to, WorkloadPhase phase) const {
  for (const DecisionField<PlanChoices>& field : choice_fields()) {
    if (field.of_training && phase != WorkloadPhase::training) continue;
    if (given_.contains(place_of(field.address(choices_)))) field.copy(choices_, to);
  }
}

PartialPlan read_partial_plan(ObjectReader& reader) {
  PartialPlan plan;
  const PlanChecker check(reader.file(), reader.pointer());
  const auto given = read_fields(reader, choice_fields(), plan.choices_, Reading::partial);
  for (const DecisionField<PlanChoices>* field : given) {
    plan.given_.insert(plan.place_of(field->address(plan.choices_)));
    // Even its default: the planner could not keep to it.
    if (field->condition != nullptr && !field->condition->holds(plan.choices_))
      check.refuse(field->pointer(), field->condition->otherwise,
                   std::string("leave it out, or set ") + field->condition->field + " to " + field->condition->values);
  }
  check_capacity(plan.choices_.dispatch, check);
  return plan;
}

}  // namespace moesaic
