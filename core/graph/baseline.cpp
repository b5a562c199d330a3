#include "core/graph/baseline.h"

#include "core/graph/blocks.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

struct Layer {
  Saved attention, ffn;
};

/// What the forward pass of one microbatch leaves behind.
struct Pass {
  TensorId tokens = -1, targets = -1;
  std::vector<Layer> layers;
  Saved head;
  TensorId d_logits = -1;
};

int moe_index(const Model& model, int layer) {
  if (!model.moe_layers[static_cast<size_t>(layer)]) return -1;
  int index = 0;
  for (int i = 0; i < layer; ++i) index += model.moe_layers[static_cast<size_t>(i)];
  return index;
}

/// The layers with experts, whoever chooses the expert.
struct ExpertLayer {
  void (*declare)(StepBuilder&, int layer, int moe_layer);
  TensorId (*forward)(StepBuilder&, TensorId, Saved&);
  TensorId (*backward)(StepBuilder&, TensorId, const Saved&);
};
ExpertLayer expert_layer(const Model& model) {
  if (model.routed_by_task) return {declare_task_experts, task_experts_forward, task_experts_backward};
  return {declare_moe, moe_forward, moe_backward};
}

std::string head_name(const Model& model) { return model.tied_embeddings ? "embedding" : "head"; }

void declare_parameters(StepBuilder& b) {
  const Model& m = b.model();
  b.parameter("embedding", m.vocabulary * m.hidden, true);
  for (int layer = 0; layer < m.num_layers; ++layer) {
    declare_attention(b, layer);
    if (moe_index(m, layer) >= 0)
      expert_layer(m).declare(b, layer, moe_index(m, layer));
    else
      declare_dense_ffn(b, layer);
  }
  b.parameter("final_norm", (m.norm == Norm::layer_norm ? 2 : 1) * m.hidden, false);
  if (!m.tied_embeddings) b.parameter("head", m.vocabulary * m.hidden, true);
}

TensorId embed(StepBuilder& b, Pass& pass) {
  const Model& m = b.model();
  const TensorId x = b.activation("embedded", b.tokens(), m.hidden);
  b.task(Op::embed, "embed", linear_shape(m.vocabulary, m.hidden), b.tokens(), {pass.tokens, b.weight("embedding")},
         {x});
  return x;
}

/// Logits of every token in training, of the last token of each sequence in inference; in training the loss and its
/// gradient as well.
void head(StepBuilder& b, TensorId x, Pass& pass) {
  const Model& m = b.model();
  const RowCount rows = b.training() ? b.tokens() : RowCount(b.sequences());
  norm_forward(b, "final_norm", x, rows, pass.head);
  const TensorId logits = b.activation("logits", rows, m.vocabulary);
  b.task(Op::linear, "head", linear_shape(m.vocabulary, m.hidden), rows, {pass.head.normed, b.weight(head_name(m))},
         {logits});
  if (!b.training()) return;
  OpShape shape;
  shape.n = m.vocabulary;
  pass.d_logits = b.activation("d_logits", rows, m.vocabulary);
  b.task(Op::cross_entropy, "cross entropy", shape, rows, {logits, pass.targets}, {pass.d_logits, b.loss()});
}

Pass forward(StepBuilder& b, int microbatch) {
  const Model& m = b.model();
  Pass pass;
  pass.layers.resize(static_cast<size_t>(m.num_layers));
  const std::string suffix = "." + std::to_string(microbatch);
  pass.tokens = b.token_input("tokens" + suffix);
  if (b.training()) pass.targets = b.token_input("targets" + suffix);
  b.enter({Phase::forward, -1, -1, microbatch});
  TensorId x = embed(b, pass);
  for (int layer = 0; layer < m.num_layers; ++layer) {
    Layer& saved = pass.layers[static_cast<size_t>(layer)];
    b.enter({Phase::forward, layer, moe_index(m, layer), microbatch});
    x = attention_forward(b, x, saved.attention);
    x = moe_index(m, layer) >= 0 ? expert_layer(m).forward(b, x, saved.ffn) : dense_ffn_forward(b, x, saved.ffn);
  }
  b.enter({Phase::forward, -1, -1, microbatch});
  head(b, x, pass);
  return pass;
}

/// The gradient of the embedding is complete only after the first layer's backward: a tied head adds to it first.
void backward(StepBuilder& b, int microbatch, const Pass& pass) {
  const Model& m = b.model();
  const RowCount t = b.tokens();
  b.enter({Phase::backward, -1, -1, microbatch});
  const TensorId d_normed = b.activation("d_final_norm", t, m.hidden);
  b.task(Op::linear_dgrad, "head dgrad", linear_shape(m.vocabulary, m.hidden), t,
         {pass.d_logits, b.weight(head_name(m))}, {d_normed});
  b.task(Op::linear_wgrad, "head wgrad", linear_shape(m.vocabulary, m.hidden), t, {pass.d_logits, pass.head.normed},
         {b.gradient(head_name(m))});
  TensorId dx = norm_backward_and_add(b, "final_norm", d_normed, -1, t, pass.head);
  for (int layer = static_cast<int>(m.num_layers) - 1; layer >= 0; --layer) {
    const Layer& saved = pass.layers[static_cast<size_t>(layer)];
    b.enter({Phase::backward, layer, moe_index(m, layer), microbatch});
    dx = moe_index(m, layer) >= 0 ? expert_layer(m).backward(b, dx, saved.ffn) : dense_ffn_backward(b, dx, saved.ffn);
    dx = attention_backward(b, dx, saved.attention);
  }
  b.enter({Phase::backward, -1, -1, microbatch});
  b.task(Op::embed_backward, "embed", linear_shape(m.vocabulary, m.hidden), t, {dx, pass.tokens},
         {b.gradient("embedding")});
}

/// One all-reduce per gradient that several ranks share, right after the last task that writes it.
void reduce_gradients(TaskGraph& graph) {
  std::vector<TaskIndex> last_writer(graph.tensors.size(), -1);
  for (size_t i = 0; i < graph.tasks.size(); ++i)
    for (TensorId tensor : graph.tasks[i].writes) last_writer[static_cast<size_t>(tensor)] = static_cast<TaskIndex>(i);
  std::vector<std::vector<Task>> after(graph.tasks.size());
  for (const Parameter& parameter : graph.parameters) {
    const auto& groups = graph.communicators[static_cast<size_t>(parameter.replicas)].groups;
    if (groups.size() == static_cast<size_t>(graph.num_ranks)) continue;  // each rank alone
    Task reduce;
    reduce.label = "backward / reduce " + parameter.name;
    reduce.op = Op::all_reduce;
    reduce.lane = Lane::network;
    reduce.phase = Phase::backward;
    reduce.layer = parameter.layer;
    reduce.communicator = parameter.replicas;
    const Tensor& gradient = graph.tensors[static_cast<size_t>(parameter.gradient)];
    reduce.bytes = bytes_of(gradient.dtype, parameter.elements);
    reduce.reads = reduce.writes = {parameter.gradient};
    after[static_cast<size_t>(last_writer[static_cast<size_t>(parameter.gradient)])].push_back(std::move(reduce));
  }
  std::vector<Task> tasks;
  for (size_t i = 0; i < graph.tasks.size(); ++i) {
    tasks.push_back(std::move(graph.tasks[i]));
    for (Task& reduce : after[i]) tasks.push_back(std::move(reduce));
  }
  graph.tasks = std::move(tasks);
}

/// The losses of all ranks, then AdamW on every parameter. AdamW also clears the gradient for the next step.
void update(StepBuilder& b) {
  b.enter({Phase::update, -1, -1, 0});
  if (b.plan().layout.ranks > 1) {
    Task& sum = b.task(Op::all_reduce, "sum losses", {}, 0, {b.loss()}, {b.loss()});
    sum.lane = Lane::network;
    sum.communicator = b.communicator("world");
    sum.bytes = bytes_of(DType::f32, 4);
  }
  const std::vector<Parameter> parameters = b.graph().parameters;
  for (const Parameter& p : parameters)
    b.task(Op::adamw, "adamw " + p.name, {}, p.elements, {p.gradient}, {p.weight, p.moments, p.gradient});
}

/// What the training step cannot do yet is refused here, for planner, simulator and executor alike.
void check_trains(const Plan& plan) {
  if (plan.model.latent_attention || plan.model.shared_intermediate > 0)
    throw InputError(plan.name, "/documents/model",
                     "has latent attention or shared experts, whose backward pass is not built",
                     "a model without them for training", "plan its prefill or decode step");
  for (size_t layer = 0; layer < plan.placement.size(); ++layer)
    if (static_cast<int64_t>(plan.placement[layer].slot_to_expert.size()) > num_placed_experts(plan))
      throw InputError(plan.name, "/placement/" + std::to_string(layer),
                       "replicates experts, whose gradients the training step does not reduce", "every expert once",
                       "use replicas for prefill and decode only");
}

}  // namespace

TaskGraph baseline_step(const Plan& plan) {
  if (plan.workload.phase == WorkloadPhase::training) check_trains(plan);
  StepBuilder b(plan);
  declare_parameters(b);
  if (!b.training()) {
    forward(b, 0);
    return std::move(b.graph());
  }
  for (int microbatch = 0; microbatch < plan.layout.micro_batches; ++microbatch) {
    const Pass pass = forward(b, microbatch);
    backward(b, microbatch, pass);
  }
  reduce_gradients(b.graph());
  update(b);
  return std::move(b.graph());
}

}  // namespace moesaic
