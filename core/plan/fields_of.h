#pragma once
// Every decision has a table of its fields (decision_field.h) and a check: names only, so that plan.h stays light.

#include <vector>

namespace moesaic {

class PlanChecker;
template <typename Owner>
struct DecisionField;
template <typename Owner>
using FieldTable = std::vector<DecisionField<Owner>>;

/// The table of a decision: each decision's file defines its own.
template <typename Decision>
const FieldTable<Decision>& fields_of();

}  // namespace moesaic
