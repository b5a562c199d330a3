#pragma once
// The numbers of a graph's tasks and tensors, and what holds one thing for each of them.

#include "core/schema/table.h"

namespace moesaic {

using TensorId = Id<struct TensorTag>;  // position in TaskGraph::tensors; negative: none
using TaskIndex = Id<struct TaskTag>;   // position in program order; negative: none

template <class T>
using OfTensors = Table<TensorId, T>;
template <class T>
using OfTasks = Table<TaskIndex, T>;

}  // namespace moesaic
