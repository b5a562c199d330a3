#pragma once
// Improves any placement of one layer by moves that lower its predicted seconds (RankLoads), and never returns a worse
// one. It is a heuristic: how far the answer is from the best is said by lower_bound() and, on small cases, by the
// tests.

#include <cstdint>

#include "planner/placement/layer_cost.h"

namespace moesaic::planner {

struct SearchOptions {
  std::uint64_t seed = 0;
  std::int64_t max_evaluations = 200'000;  // moves priced; the search stops there
  int kicks_without_gain = 30;             // and stops after so many fruitless restarts
  int moves_per_kick = 4;
  PlacementRules rules;  // the start must keep them
};

struct SearchResult {
  LayerPlacement placement;
  double seconds = 0.0;
  double start_seconds = 0.0;
  std::int64_t evaluations = 0;
};

/// Iterated local search. Descent: only moves that touch a rank which sets the compute or the port maximum can help, so
/// each round tries, for each slot of those ranks, to exchange it with a slot elsewhere, to give its expert one more
/// replica in another expert's slot, or to give the slot to another expert; the first move that lowers seconds (or
/// keeps them and evens out the ranks: RankLoads::spread) is kept. At a local optimum random moves kick the placement,
/// and the walk goes back to the best one found unless the next descent beats it. Same arguments, same bits. Needs a
/// valid start, and load and model as refusal_of() accepts them.
SearchResult local_search(const LayerPlacement& start, const LayerLoad& load, const LayerCostModel& model,
                          const SearchOptions& options);

}  // namespace moesaic::planner
