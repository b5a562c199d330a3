#include "core/plan/predicted.h"

#include <nlohmann/json.hpp>

#include "core/plan/plan_document.h"

namespace moesaic {

std::string predicted_hash(const Json& plan_document) {
  Json predicted = plan_document;
  for (const char* other : {"kind", "name", "seed", "prediction", "decisions", "evaluations", "interrupted", "hashes"})
    predicted.erase(other);
  return document_hash(predicted);
}

void set_prediction(Plan& plan, const Prediction& prediction) {
  plan.prediction = prediction;
  plan.prediction.made_for = predicted_hash(write_plan(plan));
}

std::optional<bool> prediction_belongs(const Plan& plan) {
  if (plan.prediction.made_for.empty()) return std::nullopt;
  return plan.prediction.made_for == predicted_hash(write_plan(plan));
}

}  // namespace moesaic
