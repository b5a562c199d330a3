#pragma once
// The fields of all decisions of a plan together, and what follows from their tables. To add a field, add a line to the
// table of its decision; to add a decision, add its file here.

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/plan/field_table.h"
#include "core/plan/plan.h"
#include "core/plan/plan_checker.h"

namespace moesaic {

/// In the order of the plan document.
const FieldTable<PlanChoices>& choice_fields();

/// The decision of a type among all: decision_in<Layout>(plan).
template <typename Decision>
const Decision& decision_in(const PlanChoices& choices);
template <typename Decision>
Decision& decision_in(PlanChoices& choices) {
  return const_cast<Decision&>(decision_in<Decision>(std::as_const(choices)));
}

/// Refuses fields that differ from their default where they have no effect: elsewhere than in training, or where
/// their condition does not hold.
void check_fields_have_effect(const PlanChoices& choices, WorkloadPhase phase, const PlanChecker& check);

enum class Summary { short_one, of_all };

/// What is decided, for people: ("layout", "4 ranks, ep 4, 1 microbatch"). The short summary has the fields with a row
/// of one; the other has all that differ from their default.
std::vector<std::pair<std::string, std::string>> choices_in_words(const PlanChoices& choices, WorkloadPhase phase,
                                                                  Summary summary);

template <typename Decision>
const Decision& decision_in(const PlanChoices& choices) {
  if constexpr (std::is_base_of_v<Decision, PlanChoices>)
    return choices;
  else
    return std::get<const Decision&>(
        std::tie(choices.layout, choices.dispatch, choices.prefetch, choices.expert_storage));
}

}  // namespace moesaic
