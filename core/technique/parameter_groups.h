#pragma once
// Which parameters are communicated as one: consecutive ones of one communicator up to a size. It lays out a group's
// stretch of memory and rewrites no task.

#include <vector>

#include "core/graph/task_graph.h"

namespace moesaic {

/// Parameters that several ranks hold, in the order in which the reductions of their gradients stand in the program
/// (`by_completion`), else as they were declared and never across layers. A group closes when the next parameter does
/// not fit into `limit` bytes; 0: each parameter alone. The tensors of the groups do not exist yet.
Table<int, ParameterGroup> group_parameters(const TaskGraph& graph, Bytes limit, bool by_completion);

/// True for the reduction of a parameter's gradient over its replicas.
bool is_gradient_reduction(const TaskGraph& graph, const Task& task);

}  // namespace moesaic
