#include <map>

#include "core/graph/edit.h"
#include "core/graph/stages.h"
#include "core/operators/collectives.h"
#include "core/operators/optimizer.h"
#include "core/steps/passes.h"
#include "core/steps/pipeline.h"
#include "core/steps/steps.h"

namespace moesaic {
namespace {

using operands::AdamW, operands::Collective;

/// Every microbatch through all stages and back; one stage is a pipeline too.
void forward_and_backward(StepBuilder& b) {
  const int stages = b.plan().layout.pp;
  std::vector<MicrobatchPasses> passes;
  for (int m = 0; m < b.plan().layout.micro_batches; ++m) passes.emplace_back(b, m);
  for (const PipelineStep& step : one_forward_one_backward(stages, b.plan().layout.micro_batches)) {
    const auto [is_backward, stage, microbatch] = step.pass;
    const auto [first, last] = layers_of_stage(stage, b.model().num_layers, stages);
    MicrobatchPasses& pass = passes[static_cast<size_t>(microbatch)];
    if (step.sends)
      pass.send(is_backward, stage);
    else if (is_backward)
      pass.backward(first, last);
    else
      pass.forward(first, last);
  }
}

Task reduction_of(const TaskGraph& graph, const Parameter& parameter) {
  Task reduce;
  reduce.label = "backward / reduce " + parameter.name;
  reduce.op = Op::all_reduce;
  reduce.lane = Lane::network;
  reduce.phase = Phase::backward;
  reduce.layer = parameter.layer;
  reduce.stage = parameter.stage;
  reduce.other_stage = parameter.other_stage;
  reduce.communicator = parameter.replicas;
  reduce.bytes = bytes_of(graph.tensors[parameter.gradient].dtype, parameter.elements);
  reduce.reads = in_places({{Collective::sent, parameter.gradient}});
  reduce.writes = in_places({{Collective::received, parameter.gradient}});
  return reduce;
}

/// One all-reduce per gradient that several ranks share, right after the last task that writes it.
void reduce_gradients(TaskGraph& graph) {
  std::map<TensorId, TaskIndex> last_writer;
  for (size_t i = 0; i < graph.tasks.size(); ++i)
    for (TensorId tensor : graph.tasks[i].writes) last_writer[tensor] = TaskIndex(i);
  GraphEdit edit(graph);
  for (const Parameter& parameter : graph.parameters)
    if (is_shared(graph, parameter)) edit.behind(last_writer.at(parameter.gradient), reduction_of(graph, parameter));
  edit.apply();
}

/// The losses of all ranks, then AdamW on every parameter. AdamW also clears the gradient for the next step.
void update(StepBuilder& b) {
  b.enter({Phase::update, -1, -1, 0});
  const TensorId loss = b.inputs().loss;
  if (b.plan().layout.ranks > 1) {
    Task& sum = b.task(Op::all_reduce, "sum losses", {}, 0, {{Collective::sent, loss}}, {{Collective::received, loss}});
    sum.lane = Lane::network;
    sum.communicator = b.communicator("world");
    sum.bytes = bytes_of(DType::f32, b.graph().tensors[loss].row_elements);
  }
  for (const Parameter& p : b.graph().parameters) {
    b.enter({Phase::update, -1, -1, 0, p.stage});
    Task& adamw = b.task(Op::adamw, "adamw " + p.name, {}, p.elements, {{AdamW::gradient, p.gradient}},
                         {{AdamW::weight, p.weight}, {AdamW::moments, p.moments}, {AdamW::cleared, p.gradient}});
    adamw.other_stage = p.other_stage;
  }
}

}  // namespace

TaskGraph training_step(const Plan& plan) {
  StepBuilder b(plan);
  declare_parameters(b);
  forward_and_backward(b);
  reduce_gradients(b.graph());
  update(b);
  return std::move(b.graph());
}

}  // namespace moesaic
