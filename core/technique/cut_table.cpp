#include "core/technique/cut_table.h"

#include "core/operators/collectives.h"
#include "core/operators/row_movers.h"

namespace moesaic {
namespace {

using operands::Collective, operands::RowMove;

Task regroup(const Task& task, const CutTable& table, const std::string& what, Regroup order, int64_t rows,
             TensorId from, TensorId to) {
  Task added = beside(task, Op::regroup, what, rows, {{RowMove::rows, from}}, {{RowMove::moved, to}});
  added.regroup = order;
  added.shape.k = table.hidden;
  return added;
}

}  // namespace

Task beside(const Task& task, Op op, const std::string& what, int64_t rows, NamedOperands reads, NamedOperands writes) {
  Task added;
  added.label = task.label + " / " + what;
  added.op = op;
  added.phase = task.phase;
  added.microbatch = task.microbatch;
  added.fixed_rows = rows;
  added.reads = in_places(reads);
  added.writes = in_places(writes);
  return added;
}

Task join_columns(const Task& task, const CutTable& table, int64_t rows, TensorId pieces, TensorId whole) {
  return regroup(task, table, "join columns", Regroup::join_columns, rows, pieces, whole);
}

Task split_columns(const Task& task, const CutTable& table, int64_t rows, TensorId whole, TensorId pieces) {
  return regroup(task, table, "split columns", Regroup::split_columns, rows, whole, pieces);
}

Task collective_beside(const Task& task, Op op, const std::string& what, const CutTable& table, TensorId sent,
                       TensorId received, Bytes bytes) {
  Task added = beside(task, op, what, 0, {{Collective::sent, sent}}, {{Collective::received, received}});
  added.lane = Lane::network;
  added.communicator = table.world;
  added.bytes = bytes;
  return added;
}

}  // namespace moesaic
