#include "core/technique/exchange_tasks.h"

#include "core/graph/operands.h"
#include "core/operators/collectives.h"
#include "core/operators/row_movers.h"

namespace moesaic {

using operands::Collective, operands::RowMove;

TensorId ExchangeTasks::fresh(const std::string& what, Rows rows) {
  Tensor tensor = graph_.tensors[flat_.writes[Collective::received]];
  tensor.name += "." + what;
  tensor.rows = rows;
  return graph_.add(std::move(tensor));
}

TensorId ExchangeTasks::exchange(const std::string& what, const std::string& communicator, Leg leg, Rows rows,
                                 TensorId from, TensorId to) {
  Task& task = tasks_.emplace_back(flat_);
  task.label += " / " + what;
  task.communicator = graph_.find_communicator(communicator);
  task.leg = leg;
  task.rows = rows;
  task.reads[Collective::sent] = from;
  task.writes[Collective::received] = to;
  return to;
}

TensorId ExchangeTasks::regroup(const std::string& what, Regroup order, Rows rows, TensorId from, TensorId to) {
  Task& task = tasks_.emplace_back(flat_);
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
  return to;
}

}  // namespace moesaic
