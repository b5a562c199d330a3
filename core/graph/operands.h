#pragma once
// Operands of tasks by name. core/operators says which place each name has among a task's reads or writes; here lists
// are made of names, and what a pass asks of a task whatever its operator has a name too.

#include <span>
#include <vector>

#include "core/graph/task_graph.h"

namespace moesaic {

/// {operands::Norm::gain_bias, weight}
struct NamedOperand {
  size_t place;
  TensorId tensor;
};
using NamedOperands = std::vector<NamedOperand>;

/// Reads or writes of a task, each operand in its place, in whatever order they are named. Throws InvariantError unless
/// every place up to the last one is named once.
std::vector<TensorId> in_places(const NamedOperands& operands);

/// The first that a task reads or writes, whatever its operator. Where it moves rows (moves_rows(), collectives) these
/// are the rows, before and after; of any other task the output is what others wait for who wait for all of it.
TensorId input_of(const Task& task);
TensorId output_of(const Task& task);

/// The gradient that a task sums over ranks, or by which it updates its one parameter; losses where it sums these; -1
/// of any other task.
TensorId gradient_of(const Task& task);

/// For each tensor itself, but for a copy that flatten_gradients makes the gradient that it is a copy of.
OfTensors<TensorId> originals_of(const TaskGraph& graph);

/// What a task adds to, beside all else that it writes: gradients of parameters, the losses.
std::span<const TensorId> added_to_by(const Task& task);

/// Of a task that announces counts: where they stand, and of which MoE layers they are.
TensorId counts_made_by(const Task& task);
std::vector<int> counted_layers(const TaskGraph& graph, const Task& task);

/// The signal of the load before a fetch or an update, where expert states live on storage.
TensorId load_before(const Task& task);

}  // namespace moesaic
