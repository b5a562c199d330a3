#pragma once
// What holds of every task graph, whatever made or rewrote it: it can run, no row and no byte gets lost on the way, a
// training step updates each parameter once, memory is accounted. What no rewrite may change: ledger.h.

#include <string>

#include "core/graph/task_graph.h"

namespace moesaic {

/// Throws InvariantError, with the name of the task, tensor or parameter, unless every rule of verify_rules.h holds.
/// `after` names the pass that has just run. Not for the graph of one rank, which lacks the tasks of other stages.
void verify(const TaskGraph& graph, const std::string& after);

}  // namespace moesaic
