#pragma once
// Whether the prediction that a plan carries was made for this plan: a hash of what it was made for travels beside it.
// It predicts nothing.

#include <optional>
#include <string>

#include "core/plan/plan.h"
#include "core/schema/documents.h"

namespace moesaic {

/// The hash of all that a prediction depends on in a plan document, its decisions and its documents, whatever the order
/// of keys; not of the plan's name, the search's seed and what planning found out.
std::string predicted_hash(const Json& plan_document);

/// The only way to give a plan the prediction that was made for it as it is now.
void set_prediction(Plan& plan, const Prediction& prediction);

/// False where the decisions or documents are other ones than those that the prediction was made for, for example
/// after an edit by hand; nothing where the plan does not say for what it was made, or has no prediction.
std::optional<bool> prediction_belongs(const Plan& plan);

}  // namespace moesaic
