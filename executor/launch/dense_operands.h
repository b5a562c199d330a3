#pragma once
// Sizes and factors of the operators outside the experts that follow from more than the task.

#include "executor/backend/backend.h"

namespace moesaic::executor {

/// Shape: {batch, seq, heads, kv_heads, head_dim}, as the rooms of devices and the reference each have it.
template <typename Shape>
Shape attention_shape(const Launch& l) {
  const OpShape& s = l.task.shape;
  return {l.task.fixed_rows / s.sequence, s.sequence, s.heads, s.kv_heads, s.head_dim};
}

/// What a token's cross-entropy counts in the mean over the step's tokens.
inline double loss_share(const Launch& l) {
  const StepContext& c = l.context;
  return 1.0 / (static_cast<double>(c.step_tokens()) * c.plan->layout.micro_batches);
}

/// One weight of an AdamW task, with what it needs. moments: [m | v], and [| f32 master] of bf16 weights.
struct Update {
  const Operand &gradient, &weight, &moments, &cleared;
  const std::vector<UpdateRange>& ranges;  // that this rank updates
};
std::vector<Update> updates_of(const Launch& launch);

}  // namespace moesaic::executor
