#pragma once
// The layouts that the search begins with, priced: those that fit as they are, or after giving up time for memory.

#include <string>
#include <vector>

#include "planner/problem/refusal.h"
#include "planner/search/price_list.h"

namespace moesaic::planner {

struct Starts {
  bool feasible = false;                  // one of the prices at least is that of a plan that fits
  std::vector<Alternative> alternatives;  // each layout with its price or what kept it out
  std::vector<RefusedLayout> refused;
  std::string promising;  // the first that fits when tasks run in program order, "" without
  int64_t dropped = 0;    // layouts and ways to make one fit that were not priced
};

/// Prices every enumerated layout with baseline choices. Where none fits: way after way to need less device memory, up
/// to the first that fits. What fits when tasks run in program order is priced first, so that little effort is enough.
Starts price_starts(const Problem& problem, PriceList& prices);

}  // namespace moesaic::planner
