#include "executor/benchmark/layer_graph.h"

#include <algorithm>

#include "core/blocks/moe.h"

namespace moesaic::executor {

Plan layer_plan(const LayerShape& shape) {
  Plan plan;
  plan.name = "one MoE layer";
  Model& model = plan.model;
  model.family = "gpt_moe";
  model.num_layers = 1;
  model.hidden = shape.hidden;
  model.num_experts = shape.experts;
  model.top_k = shape.top_k;
  model.expert_intermediate = shape.intermediate;
  model.moe_layers = {true};
  plan.cluster.devices_per_node = shape.ranks;
  plan.cluster.device.lanes_share_core = true;
  plan.workload.global_batch = shape.ranks;
  plan.workload.sequence_length = shape.tokens / shape.ranks;
  plan.workload.compute_dtype = shape.dtype;
  plan.layout = {shape.ranks, shape.ranks, 1};
  return plan;
}

Layer layer_graph(const Plan& plan, bool backward) {
  StepBuilder b(plan);
  b.enter({Phase::forward, 0, 0, 0});
  MoeBlock moe;
  moe.declare(b);
  Layer layer;
  const int64_t elements = b.graph().tokens_per_rank * plan.model.hidden;
  layer.residual = b.resident("residual", TensorKind::input, elements, DType::f32);
  layer.output_gradient = b.resident("output_gradient", TensorKind::input, elements, DType::f32);
  moe.forward(b, layer.residual);
  layer.normed = output_of(b.graph().tasks.front());
  if (backward) {
    b.enter({Phase::backward, 0, 0, 0});
    moe.backward(b, layer.output_gradient);
  }
  layer.graph = std::move(b.graph());
  layer.graph.tensors[layer.normed].kind = TensorKind::input;
  std::erase_if(layer.graph.tasks, [](const Task& task) {
    return task.op == Op::norm || task.op == Op::norm_backward || task.op == Op::add;
  });
  link_dependencies(layer.graph);
  return layer;
}

}  // namespace moesaic::executor
