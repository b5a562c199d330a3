#include "core/technique/tied_head.h"

#include <algorithm>

#include "core/operators/activations.h"
#include "core/operators/optimizer.h"
#include "core/operators/products.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

using operands::Add, operands::Clear, operands::Linear, operands::LinearDgrad, operands::LinearWgrad;

/// The first of a microbatch's tasks in the last layer, forward.
TaskIndex last_layer(const TaskGraph& graph, int microbatch) {
  int layer = 0;
  for (const Task& task : graph.tasks) layer = std::max(layer, task.layer);
  const auto found = std::find_if(graph.tasks.begin(), graph.tasks.end(), [&](const Task& task) {
    return task.phase == Phase::forward && task.layer == layer && task.microbatch == microbatch;
  });
  MOESAIC_CHECK(found != graph.tasks.end(), "a head without a layer before it");
  return TaskIndex(found - graph.tasks.begin());
}

}  // namespace

void TiedHead::rewrite(TaskIndex place, GraphEdit& edit) {
  const Task task = graph_.tasks[place];
  const int microbatch = task.microbatch;
  if (task.op == Op::linear && task.reads[Linear::w] == parameter().weight) {
    const TensorId pieces = add("columns of the table", graph_.tensors[parameter().weight].dtype,
                                graph_.num_ranks * table_.vocabulary, table_.width, microbatch);
    const TaskIndex ahead = last_layer(graph_, microbatch);
    edit.before(ahead, gather(task, pieces, graph_.tasks[ahead]));
    edit.replace(place, project(task, pieces));
  } else if (task.op == Op::linear_dgrad && task.reads[LinearDgrad::w] == parameter().weight) {
    Task dgrad = task;
    dgrad.reads[LinearDgrad::w] = whole_.at(microbatch);
    edit.replace(place, {dgrad});
  } else if (task.op == Op::linear_wgrad && task.writes[LinearWgrad::dw] == parameter().gradient) {
    edit.replace(place, weight_gradient(task));
  }
}

TensorId TiedHead::add(const std::string& name, DType dtype, int64_t rows, int64_t row_elements, int microbatch) {
  return graph_.add({name + "." + std::to_string(microbatch), TensorKind::activation, dtype, Rows::fixed, rows,
                     row_elements, -1, microbatch});
}

/// Travels while the last layer computes, ahead of its task `next`: not before what that needs has been computed, or it
/// would be held longer. A task of that layer, so that whoever counts layers (weight_windows) counts none more.
Task TiedHead::gather(const Task& head, TensorId pieces, const Task& next) const {
  const DType dtype = graph_.tensors[pieces].dtype;
  Task gather = collective_beside(head, Op::all_gather, "gather table", table_, parameter().weight, pieces,
                                  bytes_of(dtype, columns()));
  gather.layer = next.layer;
  for (TensorId tensor : next.reads)
    if (graph_.tensors[tensor].kind == TensorKind::activation) gather.after.push_back(tensor);
  return gather;
}

std::vector<Task> TiedHead::project(const Task& head, TensorId pieces) {
  const TensorId whole = add("table", graph_.tensors[pieces].dtype, table_.vocabulary, table_.hidden, head.microbatch);
  whole_[head.microbatch] = whole;
  Task product = head;
  product.reads[Linear::w] = whole;
  return {join_columns(head, table_, table_.vocabulary, pieces, whole), product};
}

/// All columns for the own tokens -> the own columns for the tokens of all ranks.
std::vector<Task> TiedHead::weight_gradient(const Task& head) {
  const DType dtype = graph_.tensors[parameter().gradient].dtype;
  const int64_t rows = table_.vocabulary;
  const TensorId whole = add("d_table", dtype, rows, table_.hidden, head.microbatch);
  const TensorId pieces = add("d_columns of the table", dtype, graph_.num_ranks * rows, table_.width, head.microbatch);
  const TensorId share = add("d_columns of the head", dtype, rows, table_.width, head.microbatch);
  share_[head.microbatch] = share;
  Task product = head;
  product.writes[LinearWgrad::dw] = whole;
  return {
      beside(head, Op::clear, "clear gradient", rows * table_.hidden, {}, {{Clear::x, whole}}), product,
      split_columns(head, table_, rows, whole, pieces),
      collective_beside(head, Op::reduce_scatter, "reduce columns", table_, pieces, share, bytes_of(dtype, columns()))};
}

std::vector<Task> TiedHead::add_gradient(const Task& task) {
  const auto share = share_.find(task.microbatch);
  if (share == share_.end()) return {};
  const TensorId gradient = parameter().gradient;
  Task sum = beside(task, Op::add, "add head", columns(), {{Add::a, gradient}, {Add::b, share->second}},
                    {{Add::sum, gradient}});
  sum.shape.k = 1;
  return {sum};
}

}  // namespace moesaic
