#pragma once
// The embedding table cut by columns over all ranks: what the tasks that look it up and those of a tied head have in
// common.

#include <string>

#include "core/graph/operands.h"
#include "core/graph/task_graph.h"

namespace moesaic {

struct CutTable {
  size_t parameter = 0;                           // index; its tensors hold this rank's columns
  int world = -1;                                 // the communicator of all ranks
  int64_t vocabulary = 0, hidden = 0, width = 0;  // rows; columns of the table, and of a rank's part
};

/// A task of `rows` rows that comes with another one.
Task beside(const Task& task, Op op, const std::string& what, int64_t rows, NamedOperands reads, NamedOperands writes);
/// Of `rows` rows of all columns, where each rank's columns stand together, or back.
Task join_columns(const Task& task, const CutTable& table, int64_t rows, TensorId pieces, TensorId whole);
Task split_columns(const Task& task, const CutTable& table, int64_t rows, TensorId whole, TensorId pieces);
/// Of all ranks, which contribute `bytes` each, or are left with as many.
Task collective_beside(const Task& task, Op op, const std::string& what, const CutTable& table, TensorId sent,
                       TensorId received, Bytes bytes);

}  // namespace moesaic
