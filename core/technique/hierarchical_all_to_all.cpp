#include "core/graph/edit.h"
#include "core/operators/collectives.h"
#include "core/technique/exchange_tasks.h"
#include "core/technique/technique.h"

namespace moesaic {
namespace {

using operands::Collective;

/// (a, r) -> (a, r') inside the node, then (a, r') -> (b, r') along the rail; the result stands in the order of source
/// ranks, as a flat exchange leaves it.
std::vector<Task> dispatch(TaskGraph& graph, const Task& flat) {
  ExchangeTasks tasks(graph, flat);
  const TensorId by_local =
      tasks.regroup("order by local rank", Regroup::to_local_major, Rows::sent, flat.reads[Collective::sent]);
  const TensorId relayed = tasks.exchange("inside the node", "node", Leg::intra_out, Rows::sent, by_local,
                                          tasks.fresh("relayed", Rows::relayed));
  const TensorId by_node = tasks.regroup("order by node", Regroup::relay_out, Rows::relayed, relayed);
  tasks.exchange("between nodes", "rail", Leg::inter_out, Rows::relayed, by_node, flat.writes[Collective::received]);
  return tasks.take();
}

/// The same way back.
std::vector<Task> combine(TaskGraph& graph, const Task& flat) {
  ExchangeTasks tasks(graph, flat);
  const TensorId relayed = tasks.exchange("between nodes", "rail", Leg::inter_back, Rows::received,
                                          flat.reads[Collective::sent], tasks.fresh("relayed", Rows::relayed));
  const TensorId by_local = tasks.regroup("order by local rank", Regroup::relay_back, Rows::relayed, relayed);
  const TensorId home = tasks.exchange("inside the node", "node", Leg::intra_back, Rows::relayed, by_local,
                                       tasks.fresh("home", Rows::sent));
  tasks.regroup("order by destination", Regroup::from_local_major, Rows::sent, home, flat.writes[Collective::received]);
  return tasks.take();
}

}  // namespace

void hierarchical_all_to_all(TaskGraph& graph, const Plan& plan) {
  if (plan.dispatch.all_to_all != AllToAllKind::hierarchical_2d || plan.layout.ep <= plan.cluster.devices_per_node)
    return;
  GraphEdit edit(graph);
  for (size_t i = 0; i < graph.tasks.size(); ++i) {
    const Task& flat = graph.tasks[i];
    if (is_routed(flat.leg))
      edit.replace(TaskIndex(i), flat.leg == Leg::dispatch ? dispatch(graph, flat) : combine(graph, flat));
  }
  edit.apply();
}

}  // namespace moesaic
