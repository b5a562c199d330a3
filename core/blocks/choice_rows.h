#pragma once
// A row for every choice of a token, from the order of tokens to that of experts and back, with gradients: by index, or
// as products with one-hot masks (plan.dispatch.kernel).

#include "core/blocks/block.h"

namespace moesaic {

/// Of one MoE layer and microbatch.
class ChoiceRows {
 public:
  struct Gradients {
    TensorId returned, weights;  // of what came back, and of the weights of choices
  };

  /// route: of the choices whose rows move. counts: of the ranks that meet in the layer.
  void begin(StepBuilder& b, TensorId route, TensorId counts);
  /// z [tokens, hidden] -> what is sent [rows, hidden].
  TensorId to_experts(StepBuilder& b, TensorId z);
  /// residual + what came back, weighted; residual: may be kNoTensor.
  TensorId to_tokens(StepBuilder& b, TensorId returned, TensorId residual);
  /// returned: what to_tokens() took.
  Gradients to_tokens_gradient(StepBuilder& b, TensorId d_sum, TensorId returned) const;
  /// Adds to dz.
  void to_experts_gradient(StepBuilder& b, TensorId d_send, TensorId dz) const;

 private:
  void make_masks(StepBuilder& b);
  TensorId rows(StepBuilder& b, const char* name) const;

  TensorId route_ = kNoTensor, counts_ = kNoTensor;
  TensorId mask_ = kNoTensor, weights_ = kNoTensor;  // of einsum: [tokens, rows]
};

/// Elements of a token's route: per choice its expert (i32), weight (f32), and for every slice of the expert the row in
/// the send buffer (i32), and where tokens go to a node once, which of the rows that do so it repeats (i32).
int64_t route_elements(const StepBuilder& b);

}  // namespace moesaic
