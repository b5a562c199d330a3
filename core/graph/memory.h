#pragma once
// Device memory of a rank: what lives from the start (parameters, gradients, optimizer state, inputs) and what tasks
// create and release.

#include <cstdint>
#include <vector>

#include "core/graph/routing_binding.h"

namespace moesaic {

/// For each task, the tensors whose first writer it is (created before it runs) and those that nobody uses after it
/// (released when it ends). Tensors that live from the start appear in neither.
struct Liveness {
  OfTasks<std::vector<TensorId>> created;
  OfTasks<std::vector<TensorId>> released;
};
/// Of the ranks of one pipeline stage.
Liveness liveness_of(const TaskGraph& graph, int stage = 0);

/// Bytes of parameters, gradients, optimizer state and inputs of one rank of a pipeline stage in a tier.
Bytes resident_bytes(const TaskGraph& graph, Tier tier = Tier::device, int stage = 0);

struct MemoryPeak {
  Bytes bytes = 0;
  TaskIndex task = -1;    // where the peak is reached when tasks run in program order
  TensorId largest = -1;  // the largest tensor alive then: the culprit to name
  Bytes largest_bytes = 0;
};
/// Peak of a rank when its tasks run in program order.
MemoryPeak memory_peak(const TaskGraph& graph, const RoutingBinding& binding, int rank, int64_t iteration);

}  // namespace moesaic
