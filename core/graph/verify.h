#pragma once
// What holds of every task graph, whatever made or rewrote it.

#include <string>

#include "core/graph/task_graph.h"

namespace moesaic {

/// Throws InvariantError unless: every tensor is written before it is read (parameters, gradients, optimizer state and
/// inputs exist from the start), labels are unique, each collective has a communicator, regroupings and all-to-alls
/// have a leg, dependencies point backwards. `after` names the pass that has just run.
void verify(const TaskGraph& graph, const std::string& after);

}  // namespace moesaic
