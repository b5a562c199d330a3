#pragma once
// Where the training state of a rank stands: which tensor holds which elements of which logical tensors. What initial
// values, checkpoints and updates need to know about partitions; it holds no data.

#include <vector>

#include "core/graph/task_graph.h"

namespace moesaic {

/// Elements of logical tensors that this rank's copy of a parameter holds, local offsets counted in the parameter.
std::vector<Piece> pieces_of(const TaskGraph& graph, const Parameter& parameter, int rank);

/// master_weight: the f32 weight that AdamW updates where the weight itself is rounded; it stands behind the moments.
enum class State { weight, first_moment, second_moment, master_weight };

/// Elements of one tensor; local offsets of the pieces count from the tensor's first element.
struct Holding {
  TensorId tensor = -1;
  std::vector<Piece> pieces;
  bool primary = true;  // of the ranks that hold the same elements, the first
};
/// False where weights are f32 and nobody keeps another.
bool has_master_weights(const TaskGraph& graph);
/// Every element of that state that lives in a tensor of the rank's device from step to step, once; parameters with
/// another home are their store's. Training graphs only.
std::vector<Holding> holdings_of(const TaskGraph& graph, int rank, State state);

/// Elements [begin, end) of a weight tensor that AdamW updates, with or without weight decay.
struct UpdateRange {
  int64_t begin = 0, end = 0;
  bool decay = true;
  bool operator==(const UpdateRange&) const = default;
};
/// The ranges of a weight tensor or a group's share of weights, ascending; padding belongs to none.
std::vector<UpdateRange> update_ranges(const TaskGraph& graph, TensorId weight, int rank);

}  // namespace moesaic
