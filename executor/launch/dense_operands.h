#pragma once
// Sizes and factors of the operators outside the experts that follow from more than the task.

#include "executor/backend/backend.h"
#include "executor/launch/attention_shapes.h"

namespace moesaic::executor {

/// The shape of an attention task, and of one that norms its heads.
AttentionShape attention_shape(const Launch& launch);
HeadNormShape head_norm_shape(const Launch& launch);

/// What is added to a variance or mean of squares.
inline double norm_epsilon(const Launch& l) { return l.context.plan->model.norm_epsilon; }

/// An operand that not every task has: null there.
inline const Operand* optional_read(const Launch& l, size_t operand) {
  return operand < l.reads.size() ? &l.reads[operand] : nullptr;
}

/// Sums of all ranks whose heads are normed together; none where each head is normed by itself.
RankSums rank_sums(const Launch& launch, size_t operand);

/// What a token's cross-entropy counts in the mean over the step's tokens.
inline double loss_share(const Launch& l) {
  const StepContext& c = l.context;
  return 1.0 / (static_cast<double>(c.step_tokens()) * c.plan->layout.micro_batches);
}

/// Gradients are those of the loss itself, in every compute dtype: bf16 has f32's range.
inline constexpr float kLossScale = 1;

/// One weight of an AdamW task, with what it needs. moments: [m | v], and [| f32 master] of bf16 weights.
struct Update {
  const Operand &gradient, &weight, &moments, &cleared;
  const std::vector<UpdateRange>& ranges;  // that this rank updates
};
std::vector<Update> updates_of(const Launch& launch);

}  // namespace moesaic::executor
