#pragma once
// Plans of one scenario, drawn by a seed from all legal ones: half of them near the best, half from the rest.

#include <cstdint>
#include <string>
#include <vector>

#include "core/evaluate/evaluator.h"
#include "planner/problem/problem.h"

namespace moesaic::experiments {

struct DrawnPlan {
  Plan plan;
  std::string what;        // the decisions in words
  std::string memory;      // that about training memory among them
  bool near_best = false;  // predicted within 20 % of the best plan on as many ranks
};

/// Every legal combination of layout, dispatch, chunks, buckets and placement of the problem on `ranks` ranks; with
/// `memory` each also with one decision about training memory: ZeRO, where expert states live, recompute, slices, tp.
std::vector<DrawnPlan> legal_plans(const planner::Problem& problem, int ranks, bool memory);

/// `count` plans for each rank count, half of them near the best (fewer where there are not as many). The seed decides
/// which, but of all decisions about memory none is drawn twice while another one that could be has not been drawn.
std::vector<DrawnPlan> draw_plans(const planner::Problem& problem, const std::vector<int>& rank_counts, int count,
                                  uint64_t seed, bool memory, Evaluator& evaluator);

}  // namespace moesaic::experiments
