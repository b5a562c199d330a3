#pragma once
// layer_seconds() of many placements of one load, laid out for speed: the rows of an expert lie side by side and the
// sources of a rank are added in blocks that compilers turn into vectors. It holds no placement (see rank_loads.h for
// one that is changed move by move).

#include <vector>

#include "planner/placement/layer_cost.h"

namespace moesaic::planner {

class LayerEvaluation {
 public:
  /// Needs load and model as refusal_of() accepts them.
  LayerEvaluation(const LayerLoad& load, const LayerCostModel& model, int num_experts, int num_ranks);

  /// layer_seconds() of a valid placement of these experts on these ranks, to 1e-12 of it. Not for several threads at
  /// once: its tables are filled anew.
  LayerSeconds seconds(const LayerPlacement& placement);

 private:
  void split_over_replicas(const LayerPlacement& placement);
  void forget_replicas();
  double add_rows_to(int rank, const LayerPlacement& placement);  // and the seconds that the rank computes
  double busiest_port();

  LayerCostModel model_;
  int num_ranks_;
  int stride_;                       // num_ranks, rounded up to whole blocks
  std::vector<double> tokens_;       // [num_experts]
  std::vector<double> expert_rows_;  // [num_experts, stride], source rows
  std::vector<double> alone_;        // [num_experts], seconds of an expert in one slot
  std::vector<double> rows_to_;      // [num_ranks, stride], rows that a rank gets from each source
  std::vector<double> sent_;         // [2, num_ranks], rows that leave each source, within its node and to others
  // Between evaluations as if every expert had one slot, so that one need only visit the experts that have more.
  std::vector<int> replicas_;         // [num_experts], 0 between evaluations
  std::vector<int> replicated_;       // an entry for each slot of an expert beyond its first
  std::vector<double> share_;         // [num_experts], 1 / replicas
  std::vector<double> slot_seconds_;  // [num_experts], computation of one replica
};

}  // namespace moesaic::planner
