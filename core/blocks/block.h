#pragma once
// A piece of a model as tasks, forward and backward behind one interface. One object stands for the piece in one
// microbatch: what forward leaves for backward are its members.

#include "core/blocks/step_builder.h"

namespace moesaic {

/// How often experts were chosen, [rows, chunks * num_experts] as i32: by this rank's tokens, and by all of the
/// pipeline stage, for which only gradients wait.
struct RouterCounts {
  TensorId local = -1, stage = -1;
};

/// What comes before the first block, and behind the last one.
constexpr TensorId kNoTensor = -1;

class Block {
 public:
  virtual ~Block() = default;

  /// Adds the parameters of the layer in scope.
  virtual void declare(StepBuilder& b) const = 0;
  /// What the block before has left -> what the next one reads, [tokens, hidden] both: x + part(norm(x)).
  virtual TensorId forward(StepBuilder& b, TensorId x) = 0;
  /// Gradient of the output -> gradient of the input, once behind forward(). Gradients of weights add to the
  /// parameters' gradient tensors.
  virtual TensorId backward(StepBuilder& b, TensorId dy) = 0;
  /// Of the block's router; null: it has none.
  virtual RouterCounts* router_counts() { return nullptr; }
};

/// "layers.3.qkv" for the layer in scope.
std::string in_layer(const StepBuilder& b, const std::string& name);

/// Shapes.
OpShape linear_shape(int64_t out, int64_t in);
OpShape width_shape(int64_t width);
/// activation [., width]
OpShape activation_shape(const StepBuilder& b, int64_t width);
/// Matrices of an up projection: SwiGLU has two.
int64_t up_matrices(const Model& model);

}  // namespace moesaic
