#include "core/graph/edit.h"
#include "core/graph/operands.h"
#include "core/operators/collectives.h"
#include "core/operators/row_movers.h"
#include "core/technique/exchange_tasks.h"
#include "core/technique/technique.h"

namespace moesaic {
namespace {

using operands::Collective, operands::Permute, operands::RowMove;

/// [tensors]: the permute that fills a send buffer, -1 elsewhere. Its rows repeat those of tokens; gradients do not.
OfTensors<TaskIndex> permutes_of(const TaskGraph& graph) {
  OfTensors<TaskIndex> permutes(graph.tensors.size(), -1);
  for (TaskIndex i = 0; i < graph.tasks.next(); ++i)
    if (graph.tasks[i].op == Op::permute) permutes[graph.tasks[i].writes[Permute::send]] = i;
  return permutes;
}

TensorId places_beside(TaskGraph& graph, TensorId rows, Rows which) {
  Tensor places = graph.tensors[rows];
  places.name += ".places";
  places.dtype = DType::i32;
  places.rows = which;
  places.row_elements = 1;
  return graph.add(std::move(places));
}

/// A row per (token, node), and of which each row of a choice is a copy. Returns the tensor that says it.
TensorId send_once(TaskGraph& graph, Task& permute) {
  const TensorId send = permute.writes[Permute::send], places = places_beside(graph, send, Rows::sent);
  graph.tensors[send].rows = permute.rows = Rows::once_sent;
  permute.writes = in_places({{Permute::send, send}, {Permute::places, places}});
  return places;
}

/// (a, r) -> (b, r) along the rail, once for node b; there the rows of its choices, (b, r) -> (b, r') inside the node;
/// the result stands in the order of source ranks, as a flat exchange leaves it.
std::vector<Task> dispatch_once(TaskGraph& graph, const Task& flat, TensorId places) {
  ExchangeTasks tasks(graph, flat);
  const TensorId once = tasks.fresh("once", Rows::once_received);
  const TensorId places_there = places_beside(graph, once, Rows::fanned);
  tasks.exchange("places between nodes", "rail", Leg::places_out, Rows::sent, places, places_there);
  tasks.last().bytes_per_row = bytes_of(DType::i32, 1);
  tasks.last().shape.k = 1;
  tasks.last().dtype = DType::i32;
  tasks.exchange("between nodes", "rail", Leg::once_out, Rows::once_sent, flat.reads[Collective::sent], once);
  const TensorId fanned = tasks.regroup("repeat for choices", Regroup::repeat, Rows::fanned, once);
  tasks.last().reads = in_places(
      {{RowMove::rows, once}, {RowMove::counts, flat.reads[Collective::counts]}, {RowMove::places, places_there}});
  const TensorId by_rail = tasks.exchange("inside the node", "node", Leg::fan_out, Rows::fanned, fanned,
                                          tasks.fresh("by rail", Rows::received));
  tasks.regroup("order by source", Regroup::from_rails, Rows::received, by_rail, flat.writes[Collective::received]);
  return tasks.take();
}

}  // namespace

void node_limited_all_to_all(TaskGraph& graph, const Plan& plan) {
  if (nodes_reached_once(plan) == 0) return;
  const OfTensors<TaskIndex> permutes = permutes_of(graph);
  GraphEdit edit(graph);
  for (TaskIndex i = 0; i < graph.tasks.next(); ++i) {
    const Task& flat = graph.tasks[i];
    if (flat.leg != Leg::dispatch) continue;
    const TaskIndex permute = permutes[flat.reads[Collective::sent]];
    if (permute >= 0) edit.replace(i, dispatch_once(graph, flat, send_once(graph, graph.tasks[permute])));
  }
  edit.apply();
}

}  // namespace moesaic
