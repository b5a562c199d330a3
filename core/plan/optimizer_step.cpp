#include "core/plan/optimizer_step.h"

#include <nlohmann/json.hpp>

#include "core/plan/decision_field.h"
#include "core/plan/plan.h"

namespace moesaic {
namespace {

constexpr const char* kReductionNames[] = {"as_ready", "after_backward"};
constexpr const char* kPassesNames[] = {"fused", "separate"};

constexpr Condition kKeepsGradients = {[](const PlanChoices& choices) { return choices.layout.zero < 2; },
                                       "keeps whole gradients to the end of backward", "layout.zero", "0 or 1"};

}  // namespace

const char* name_of(OptimizerPasses passes) { return kPassesNames[static_cast<size_t>(passes)]; }

template <>
const FieldTable<OptimizerStep>& fields_of<OptimizerStep>() {
  static const FieldTable<OptimizerStep> fields = {
      choice("gradient_reduction", &OptimizerStep::gradient_reduction, kReductionNames,
             "whether gradients are summed as soon as backward has completed them, or once it has ended")
          .in_training("sums gradients")
          .where(kKeepsGradients)
          .in_words("summed %")
          .in_summary("gradient buckets"),
      choice("optimizer_passes", &OptimizerStep::optimizer_passes, kPassesNames,
             "whether AdamW is one kernel, or gradients are checked, widened to f32, copied and scaled before it")
          .in_training("updates weights")
          .in_words("% passes")
          .in_summary("optimizer"),
  };
  return fields;
}

}  // namespace moesaic
