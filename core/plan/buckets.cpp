#include "core/plan/buckets.h"

#include <nlohmann/json.hpp>

#include "core/plan/decision_field.h"
#include "core/plan/plan.h"

namespace moesaic {
namespace {

constexpr Condition kGathersInGroups = {[](const PlanChoices& choices) { return choices.layout.zero == 3; },
                                        "groups the all-gathers of ZeRO-3", "layout.zero", "3"};

}  // namespace

template <>
const FieldTable<Buckets>& fields_of<Buckets>() {
  static const FieldTable<Buckets> fields = {
      bytes("gradient_bucket_bytes", &Buckets::gradient_bucket_bytes,
            "largest group of gradients that one collective carries; 0: each parameter alone")
          .in_training()
          .in_words("buckets of %", "one collective per gradient")
          .in_summary("gradient buckets", "%", "none: one collective per gradient"),
      bytes("fused_parameter_bytes", &Buckets::fused_parameter_bytes,
            "largest group of weights that one all-gather of ZeRO-3 carries; 0: each parameter alone")
          .in_training()
          .where(kGathersInGroups)
          .in_words("groups of %"),
  };
  return fields;
}

}  // namespace moesaic
