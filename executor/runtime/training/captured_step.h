#pragma once
// Which steps a device may capture as a graph and replay: the tasks before the verdict, forward and backward. Updates
// are launched anew in every step, because AdamW's bias correction depends on its number. It captures nothing itself.

#include <string>

#include "core/graph/task_graph.h"

namespace moesaic::executor {

/// Every step does the same at the same addresses, and nobody but the compute lane takes part: one rank on a GPU, with
/// rows that do not depend on what the router chooses (no MoE layer, or padded dispatch) and experts on the device.
bool captures(const TaskGraph& graph, const Plan& plan);

/// Throws InputError naming this rule unless captures(). `file` names the plan in the message.
void check_captures(const Plan& plan, const std::string& file);

}  // namespace moesaic::executor
