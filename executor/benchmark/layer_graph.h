#pragma once
// One MoE layer on its own as a task graph: router, permute, exchange, experts, unpermute, and their gradients. It has
// no norm and no update; the normed rows, the residual and the gradient of the output are inputs.

#include "core/graph/task_graph.h"

namespace moesaic::executor {

struct LayerShape {
  int64_t tokens = 0, hidden = 0, intermediate = 0, experts = 0, top_k = 0;  // tokens: of all ranks
  DType dtype = DType::f32;
  int ranks = 1;
};

struct Layer {
  TaskGraph graph;
  TensorId normed = -1, residual = -1, output_gradient = -1;  // inputs, [tokens_per_rank, hidden] each
};

/// A plan that holds the layer and nothing else; experts are spread over all ranks.
Plan layer_plan(const LayerShape& shape);

/// The forward pass of the plan's layer, with the backward pass behind it if asked. `plan` must outlive the call only.
Layer layer_graph(const Plan& plan, bool backward);

}  // namespace moesaic::executor
