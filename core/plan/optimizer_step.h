#pragma once
// When gradients are summed and in how many passes the optimizer goes over memory: a decision of a plan.

#include "core/plan/fields_of.h"

namespace moesaic {

/// As soon as backward has completed them, beside what is still computed; or once backward has ended, as DeepSpeed's
/// engine does without ZeRO (engine.py, allreduce_gradients).
enum class GradientReduction { as_ready, after_backward };
/// One kernel that reads gradients as they are; or gradients are first widened and copied in passes of their own, as
/// DeepSpeed's FP16_Optimizer does (runtime/fp16/fused_optimizer.py).
enum class OptimizerPasses { fused, separate };
const char* name_of(OptimizerPasses passes);

/// A base of the plan's choices: its keys stand in the plan document itself.
struct OptimizerStep {
  GradientReduction gradient_reduction = GradientReduction::as_ready;
  OptimizerPasses optimizer_passes = OptimizerPasses::fused;
  bool operator==(const OptimizerStep&) const = default;
};

template <>
const FieldTable<OptimizerStep>& fields_of<OptimizerStep>();

}  // namespace moesaic
