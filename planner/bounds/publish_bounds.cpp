#include "planner/bounds/publish_bounds.h"

#include <algorithm>

#include "planner/bounds/path_bound.h"
#include "planner/bounds/searched_bound.h"
#include "planner/bounds/step_bound.h"
#include "planner/search/candidates.h"

namespace moesaic::planner {
namespace {

/// What no decision below the plan's layout can beat.
Seconds layout_bound(const Plan& plan) {
  const Seconds bound = step_bound(plan).seconds();
  if (plan.elastic.present()) return bound;
  return std::max(bound, PathBound(plan).of(plan, {kMostChunks, replica_slots(plan)}));
}

}  // namespace

// A price below a bound shows that it does not hold for this kind of plan: then it is not published.
void publish_bounds(const Problem& problem, Plan& plan) {
  Prediction& prediction = plan.prediction;
  if (const Seconds bound = searched_bound(problem).seconds; bound > 0 && bound <= prediction.step_seconds) {
    prediction.lower_bound_seconds = bound;
    prediction.gap = prediction.step_seconds / bound - 1;
  }
  if (const Seconds bound = layout_bound(plan); bound <= prediction.step_seconds)
    prediction.layout_bound_seconds = bound;
}

}  // namespace moesaic::planner
