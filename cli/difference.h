#pragma once
// What edits change: the figures of a plan beside those of the same plan without its edits. It simulates nothing.

#include <string>

#include "core/evaluate/evaluator.h"
#include "core/schema/documents.h"

namespace moesaic::cli {

/// `unedited`, the figures of the plan before its edits under the keys of the others (null where it does not fit),
/// `step_change`, the relative change of the step, and `figures_changed`.
void add_difference(const Plan& plan, const Evaluation& before, const Evaluation& after, Json& json);

/// Lines "step  38.8 ms -> 30.1 ms (-22.4 %)"; one sentence where nothing changed or one of the two does not fit.
std::string difference_text(const Evaluation& before, const Evaluation& after);

}  // namespace moesaic::cli
