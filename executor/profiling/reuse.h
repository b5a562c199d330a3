#pragma once
// How long ago a step last touched the operands of a task, in bytes of other tensors touched since: what decides which
// cache still holds them. It knows no cache sizes.

#include <vector>

#include "core/cost/signature.h"
#include "core/graph/task_graph.h"

namespace moesaic::executor {

/// Distance of memory that the step has not touched since it was handed out.
inline constexpr Bytes kFresh = -1;

bool contains(const std::vector<TensorId>& list, TensorId tensor);

/// Distance of each operand of a task.
struct OperandAges {
  std::vector<Bytes> reads, writes;  // in the order of the task; kFresh for results
};

/// LRU stack distance of every operand of `task` in an endless run of steps: bytes of the distinct tensors that the
/// tasks between touch. Routed tensors count `routed_rows` rows.
OperandAges ages_of(const TaskGraph& graph, TaskIndex task, int64_t routed_rows);

/// Operand by operand the median over all tasks of the signature. Requires that one exists.
OperandAges typical_ages(const TaskGraph& graph, const std::string& signature, int64_t routed_rows);

}  // namespace moesaic::executor
