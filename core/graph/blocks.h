#pragma once
// The parts of a transformer step as tasks, forward and backward, one file each. They append to a StepBuilder; the
// order of parts is baseline.cpp's.

#include "core/graph/step_builder.h"

namespace moesaic {

/// What the forward pass of a part leaves for its backward pass: tensors by role.
struct Saved {
  TensorId input = -1, normed = -1, statistics = -1;
  TensorId qkv = -1, attended = -1, attention_saved = -1;                                      // attention
  TensorId hidden = -1, activated = -1;                                                        // dense FFN
  TensorId probabilities = -1, route = -1, local_counts = -1, counts = -1, stage_counts = -1;  // MoE: router
  TensorId received = -1, expert_hidden = -1, expert_activated = -1, returned = -1;            // MoE: experts
};

/// Parameters of one layer.
void declare_attention(StepBuilder& b, int layer);
void declare_dense_ffn(StepBuilder& b, int layer);
void declare_moe(StepBuilder& b, int layer, int moe_layer);
void declare_task_experts(StepBuilder& b, int layer, int moe_layer);

/// x [tokens, hidden] -> x + part(norm(x)). Returns the output.
TensorId attention_forward(StepBuilder& b, TensorId x, Saved& saved);
TensorId dense_ffn_forward(StepBuilder& b, TensorId x, Saved& saved);
TensorId moe_forward(StepBuilder& b, TensorId x, Saved& saved);
TensorId task_experts_forward(StepBuilder& b, TensorId x, Saved& saved);

/// Gradient of the output -> gradient of the input. Weight gradients accumulate into the parameters' gradient tensors.
TensorId attention_backward(StepBuilder& b, TensorId dy, const Saved& saved);
TensorId dense_ffn_backward(StepBuilder& b, TensorId dy, const Saved& saved);
TensorId moe_backward(StepBuilder& b, TensorId dy, const Saved& saved);
TensorId task_experts_backward(StepBuilder& b, TensorId dy, const Saved& saved);

/// Between a forward pass through some MoE layers and its backward pass: how often the whole stage has chosen each
/// expert. The auxiliary loss weighs it, and where experts' states leave the device, gradients are summed of what any
/// replica uses. One collective for all layers, for which only gradients wait.
void gather_stage_counts(StepBuilder& b, const std::vector<Saved*>& layers);

/// norm(x) as tensors {normed, statistics}; and its gradient added to the residual's: dx = dy_residual +
/// norm_backward(d_normed).
void norm_forward(StepBuilder& b, const std::string& name, TensorId x, RowCount rows, Saved& saved);
TensorId norm_backward_and_add(StepBuilder& b, const std::string& name, TensorId d_normed, TensorId dy_residual,
                               RowCount rows, const Saved& saved);

/// Tensor parallelism, nothing where tp is 1: the tokens of a whole group; its members' rows in rank order; the sum of
/// their partial rows, of which each keeps its own tokens'.
RowCount group_tokens(const StepBuilder& b);
TensorId gather_rows(StepBuilder& b, const std::string& what, TensorId own);
TensorId sum_rows(StepBuilder& b, const std::string& what, TensorId partial);

/// Shapes.
OpShape linear_shape(int64_t out, int64_t in);
OpShape width_shape(int64_t width);

/// "layers.3.qkv" for the layer in scope.
std::string in_layer(const StepBuilder& b, const std::string& name);

}  // namespace moesaic
