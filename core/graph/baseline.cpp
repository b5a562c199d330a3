#include "core/graph/baseline.h"

#include <algorithm>

#include "core/graph/blocks.h"
#include "core/graph/stages.h"
#include "core/operators/collectives.h"
#include "core/operators/embedding.h"
#include "core/operators/loss.h"
#include "core/operators/optimizer.h"
#include "core/operators/products.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

using operands::AdamW, operands::Collective, operands::CrossEntropy, operands::Embed, operands::EmbedBackward,
    operands::Linear, operands::LinearDgrad, operands::LinearWgrad;

struct Layer {
  Saved attention, ffn;
};

/// What the passes of one microbatch leave behind.
struct Pass {
  TensorId x = -1;  // what the next layer reads, forward or backward
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

/// The stage of a layer, the embedding (layer -1) or the head (layer num_layers); -1 where there is no pipeline.
int stage_of(const StepBuilder& b, int64_t layer) {
  const int stages = b.plan().layout.pp;
  const int64_t last = b.model().num_layers - 1;
  return stages == 1 ? -1 : stage_of_layer(std::clamp<int64_t>(layer, 0, last), last + 1, stages);
}

Scope scope_of(const StepBuilder& b, Phase phase, int layer, int microbatch) {
  const bool inside = layer >= 0 && layer < b.model().num_layers;
  return {phase, inside ? layer : -1, inside ? moe_index(b.model(), layer) : -1, microbatch, stage_of(b, layer)};
}

void declare_parameters(StepBuilder& b) {
  const Model& m = b.model();
  const auto last = static_cast<int>(m.num_layers);
  b.enter(scope_of(b, Phase::forward, -1, 0));
  b.parameter("embedding", m.vocabulary * m.hidden, true);
  if (m.tied_embeddings && b.plan().layout.pp > 1) {
    b.graph().parameters.back().other_stage = stage_of(b, last);
    b.graph().parameters.back().replicas = b.communicator("embedding");
  }
  for (int layer = 0; layer < last; ++layer) {
    b.enter(scope_of(b, Phase::forward, layer, 0));
    declare_attention(b, layer);
    if (moe_index(m, layer) >= 0)
      expert_layer(m).declare(b, layer, moe_index(m, layer));
    else
      declare_dense_ffn(b, layer);
  }
  b.enter(scope_of(b, Phase::forward, last, 0));
  b.parameter("final_norm", (m.norm == Norm::layer_norm ? 2 : 1) * m.hidden, false);
  if (!m.tied_embeddings) b.parameter("head", m.vocabulary * m.hidden, true);
}

TensorId embed(StepBuilder& b) {
  const Model& m = b.model();
  const TensorId x = b.activation("embedded", b.tokens(), m.hidden);
  b.task(Op::embed, "embed", linear_shape(m.vocabulary, m.hidden), b.tokens(),
         {{Embed::tokens, b.inputs().tokens[static_cast<size_t>(b.scope().microbatch)]},
          {Embed::table, b.weight("embedding")}},
         {{Embed::x, x}});
  return x;
}

/// Logits of every token in training, of the last token of each sequence in inference; in training the loss and its
/// gradient as well.
void head(StepBuilder& b, TensorId x, Pass& pass) {
  const Model& m = b.model();
  const RowCount rows = b.training() ? b.tokens() : RowCount(b.sequences());
  norm_forward(b, "final_norm", x, rows, pass.head);
  const TensorId logits = b.activation("logits", rows, m.vocabulary);
  b.task(Op::linear, "head", linear_shape(m.vocabulary, m.hidden), rows,
         {{Linear::x, pass.head.normed}, {Linear::w, b.weight(head_name(m))}}, {{Linear::y, logits}});
  if (!b.training()) return;
  OpShape shape;
  shape.n = m.vocabulary;
  pass.d_logits = b.activation("d_logits", rows, m.vocabulary);
  b.task(Op::cross_entropy, "cross entropy", shape, rows,
         {{CrossEntropy::logits, logits},
          {CrossEntropy::targets, b.inputs().targets[static_cast<size_t>(b.scope().microbatch)]}},
         {{CrossEntropy::d_logits, pass.d_logits}, {CrossEntropy::loss, b.inputs().loss}});
}

/// Layers [first, last) of one microbatch, with the embedding before layer 0 and the head behind the last one.
void forward(StepBuilder& b, int microbatch, int first, int last, Pass& pass) {
  const Model& m = b.model();
  if (first == 0) {
    b.enter(scope_of(b, Phase::forward, -1, microbatch));
    pass.x = embed(b);
  }
  for (int layer = first; layer < last; ++layer) {
    Layer& saved = pass.layers[static_cast<size_t>(layer)];
    b.enter(scope_of(b, Phase::forward, layer, microbatch));
    pass.x = attention_forward(b, pass.x, saved.attention);
    pass.x = moe_index(m, layer) >= 0 ? expert_layer(m).forward(b, pass.x, saved.ffn)
                                      : dense_ffn_forward(b, pass.x, saved.ffn);
  }
  if (last < m.num_layers) return;
  b.enter(scope_of(b, Phase::forward, last, microbatch));
  head(b, pass.x, pass);
}

TensorId head_backward(StepBuilder& b, const Pass& pass) {
  const Model& m = b.model();
  const RowCount t = b.tokens();
  const TensorId d_normed = b.activation("d_final_norm", t, m.hidden);
  b.task(Op::linear_dgrad, "head dgrad", linear_shape(m.vocabulary, m.hidden), t,
         {{LinearDgrad::dy, pass.d_logits}, {LinearDgrad::w, b.weight(head_name(m))}}, {{LinearDgrad::dx, d_normed}});
  b.task(Op::linear_wgrad, "head wgrad", linear_shape(m.vocabulary, m.hidden), t,
         {{LinearWgrad::dy, pass.d_logits}, {LinearWgrad::x, pass.head.normed}},
         {{LinearWgrad::dw, b.gradient(head_name(m))}});
  return norm_backward_and_add(b, "final_norm", d_normed, -1, t, pass.head);
}

/// The way back of forward(). The gradient of the embedding is complete only after the first layer's backward: a tied
/// head adds to it first.
void backward(StepBuilder& b, int microbatch, int first, int last, Pass& pass) {
  const Model& m = b.model();
  std::vector<Saved*> routed;
  for (int layer = first; layer < last; ++layer)
    if (moe_index(m, layer) >= 0 && !m.routed_by_task) routed.push_back(&pass.layers[static_cast<size_t>(layer)].ffn);
  b.enter({Phase::backward, -1, -1, microbatch, stage_of(b, first)});
  gather_stage_counts(b, routed);
  if (last == m.num_layers) {
    b.enter(scope_of(b, Phase::backward, last, microbatch));
    pass.x = head_backward(b, pass);
  }
  for (int layer = last - 1; layer >= first; --layer) {
    const Layer& saved = pass.layers[static_cast<size_t>(layer)];
    b.enter(scope_of(b, Phase::backward, layer, microbatch));
    pass.x = moe_index(m, layer) >= 0 ? expert_layer(m).backward(b, pass.x, saved.ffn)
                                      : dense_ffn_backward(b, pass.x, saved.ffn);
    pass.x = attention_backward(b, pass.x, saved.attention);
  }
  if (first > 0) return;
  b.enter(scope_of(b, Phase::backward, -1, microbatch));
  b.task(Op::embed_backward, "embed", linear_shape(m.vocabulary, m.hidden), b.tokens(),
         {{EmbedBackward::dx, pass.x},
          {EmbedBackward::tokens, b.inputs().tokens[static_cast<size_t>(b.scope().microbatch)]}},
         {{EmbedBackward::d_table, b.gradient("embedding")}});
}

Pass open_pass(StepBuilder& b, int microbatch) {
  Pass pass;
  pass.layers.resize(static_cast<size_t>(b.model().num_layers));
  b.enter({Phase::forward, -1, -1, microbatch});
  const std::string suffix = "." + std::to_string(microbatch);
  b.graph().inputs.tokens.push_back(b.token_input("tokens" + suffix));
  if (b.training()) b.graph().inputs.targets.push_back(b.token_input("targets" + suffix));
  return pass;
}

/// Every microbatch through all stages and back; one stage is a pipeline too.
void forward_and_backward(StepBuilder& b) {
  const int stages = b.plan().layout.pp;
  const int64_t layers = b.model().num_layers;
  std::vector<Pass> passes;
  for (int m = 0; m < b.plan().layout.micro_batches; ++m) passes.push_back(open_pass(b, m));
  for (const PipelineStep& step : one_forward_one_backward(stages, b.plan().layout.micro_batches)) {
    const auto [is_backward, stage, microbatch] = step.pass;
    const auto first = static_cast<int>(stage * layers / stages),
               last = static_cast<int>((stage + 1) * layers / stages);
    Pass& pass = passes[static_cast<size_t>(microbatch)];
    if (step.sends) {
      b.enter({is_backward ? Phase::backward : Phase::forward, -1, -1, microbatch, stage});
      pass.x = b.send_to_stage(pass.x, is_backward ? "d_arrived" : "arrived", is_backward ? stage - 1 : stage + 1);
    } else if (is_backward) {
      backward(b, microbatch, first, last, pass);
    } else {
      forward(b, microbatch, first, last, pass);
    }
  }
}

/// One all-reduce per gradient that several ranks share, right after the last task that writes it.
void reduce_gradients(TaskGraph& graph) {
  std::vector<TaskIndex> last_writer(graph.tensors.size(), -1);
  for (size_t i = 0; i < graph.tasks.size(); ++i)
    for (TensorId tensor : graph.tasks[i].writes) last_writer[static_cast<size_t>(tensor)] = static_cast<TaskIndex>(i);
  std::vector<std::vector<Task>> after(graph.tasks.size());
  for (const Parameter& parameter : graph.parameters) {
    const auto& groups = graph.communicators[static_cast<size_t>(parameter.replicas)].groups;
    const bool alone = std::all_of(groups.begin(), groups.end(), [&](const std::vector<int>& group) {
      return group.size() == 1 || !holds(parameter, graph.stage_of(group[0]));
    });
    if (alone) continue;
    Task reduce;
    reduce.label = "backward / reduce " + parameter.name;
    reduce.op = Op::all_reduce;
    reduce.lane = Lane::network;
    reduce.phase = Phase::backward;
    reduce.layer = parameter.layer;
    reduce.stage = parameter.stage;
    reduce.other_stage = parameter.other_stage;
    reduce.communicator = parameter.replicas;
    const Tensor& gradient = graph.tensors[static_cast<size_t>(parameter.gradient)];
    reduce.bytes = bytes_of(gradient.dtype, parameter.elements);
    reduce.reads = in_places({{Collective::sent, parameter.gradient}});
    reduce.writes = in_places({{Collective::received, parameter.gradient}});
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
    Task& sum = b.task(Op::all_reduce, "sum losses", {}, 0, {{Collective::sent, b.inputs().loss}},
                       {{Collective::received, b.inputs().loss}});
    sum.lane = Lane::network;
    sum.communicator = b.communicator("world");
    sum.bytes = bytes_of(DType::f32, 4);
  }
  const std::vector<Parameter> parameters = b.graph().parameters;
  for (const Parameter& p : parameters) {
    b.enter({Phase::update, -1, -1, 0, p.stage});
    Task& adamw = b.task(Op::adamw, "adamw " + p.name, {}, p.elements, {{AdamW::gradient, p.gradient}},
                         {{AdamW::weight, p.weight}, {AdamW::moments, p.moments}, {AdamW::cleared, p.gradient}});
    adamw.other_stage = p.other_stage;
  }
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
    Pass pass = open_pass(b, 0);
    forward(b, 0, 0, static_cast<int>(plan.model.num_layers), pass);
    return std::move(b.graph());
  }
  forward_and_backward(b);
  reduce_gradients(b.graph());
  update(b);
  return std::move(b.graph());
}

}  // namespace moesaic
