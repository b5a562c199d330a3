#include "core/graph/edit.h"
#include "core/graph/operands.h"
#include "core/operators/collectives.h"
#include "core/operators/row_movers.h"
#include "core/technique/technique.h"

namespace moesaic {
namespace {

using operands::Collective, operands::RowMove;

class TwoPhases {
 public:
  TwoPhases(TaskGraph& graph, const Task& flat) : graph_(graph), flat_(flat) {}

  /// (a, r) -> (a, r') inside the node, then (a, r') -> (b, r') along the rail; the result stands in the order of
  /// source ranks, as a flat exchange leaves it.
  std::vector<Task> dispatch() {
    const TensorId by_local =
        regroup("order by local rank", Regroup::to_local_major, Rows::sent, flat_.reads[Collective::sent]);
    const TensorId relayed =
        exchange("inside the node", "node", Leg::intra_out, Rows::sent, by_local, fresh("relayed", Rows::relayed));
    const TensorId by_node = regroup("order by node", Regroup::relay_out, Rows::relayed, relayed);
    exchange("between nodes", "rail", Leg::inter_out, Rows::relayed, by_node, flat_.writes[Collective::received]);
    return std::move(tasks_);
  }

  std::vector<Task> combine() {
    const TensorId relayed = exchange("between nodes", "rail", Leg::inter_back, Rows::received,
                                      flat_.reads[Collective::sent], fresh("relayed", Rows::relayed));
    const TensorId by_local = regroup("order by local rank", Regroup::relay_back, Rows::relayed, relayed);
    const TensorId home =
        exchange("inside the node", "node", Leg::intra_back, Rows::relayed, by_local, fresh("home", Rows::sent));
    regroup("order by destination", Regroup::from_local_major, Rows::sent, home, flat_.writes[Collective::received]);
    return std::move(tasks_);
  }

 private:
  TensorId fresh(const std::string& what, Rows rows) {
    Tensor tensor = graph_.tensors[flat_.writes[Collective::received]];
    tensor.name += "." + what;
    tensor.rows = rows;
    return graph_.add(std::move(tensor));
  }

  TensorId exchange(const std::string& what, const std::string& communicator, Leg leg, Rows rows, TensorId from,
                    TensorId to) {
    Task task = flat_;
    task.label += " / " + what;
    task.communicator = graph_.find_communicator(communicator);
    task.leg = leg;
    task.rows = rows;
    task.reads[Collective::sent] = from;
    task.writes[Collective::received] = to;
    tasks_.push_back(task);
    return to;
  }

  TensorId regroup(const std::string& what, Regroup order, Rows rows, TensorId from) {
    return regroup(what, order, rows, from, fresh(what, rows));
  }

  TensorId regroup(const std::string& what, Regroup order, Rows rows, TensorId from, TensorId to) {
    Task task = flat_;
    task.label += " / " + what;
    task.op = Op::regroup;
    task.lane = Lane::compute;
    task.communicator = -1;
    task.leg = Leg::none;
    task.bytes_per_row = 0;
    task.regroup = order;
    task.rows = rows;
    task.reads = in_places({{RowMove::rows, from}, {RowMove::counts, flat_.reads[Collective::counts]}});
    task.writes = in_places({{RowMove::moved, to}});
    tasks_.push_back(task);
    return to;
  }

  TaskGraph& graph_;
  const Task& flat_;
  std::vector<Task> tasks_;
};

}  // namespace

void hierarchical_all_to_all(TaskGraph& graph, const Plan& plan) {
  const int local = plan.cluster.devices_per_node;
  if (plan.dispatch.all_to_all != AllToAllKind::hierarchical_2d || plan.layout.ep <= local) return;
  GraphEdit edit(graph);
  for (size_t i = 0; i < graph.tasks.size(); ++i) {
    const Task& flat = graph.tasks[i];
    if (!is_routed(flat.leg)) continue;
    TwoPhases phases(graph, flat);
    edit.replace(TaskIndex(i), flat.leg == Leg::dispatch ? phases.dispatch() : phases.combine());
  }
  edit.apply();
}

}  // namespace moesaic
