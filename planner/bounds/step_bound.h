#pragma once
// A step time that no plan of a layout can beat under the profile's prices: the yardstick of a plan's gap.

#include <string>

#include "core/plan/plan.h"

namespace moesaic::planner {

struct StepBound {
  Seconds compute = 0;  // of the busiest rank at best: everything but experts, and experts at the best placement
  Seconds network =
      0;  // bytes that the busiest port carries at best; 0 where lanes share the core (then it is in no bound)
  Seconds seconds() const { return compute > network ? compute : network; }
  std::string binding() const { return compute > network ? "compute" : "network"; }
};

/// Bound over all placements, chunks, buckets and all-to-all algorithms of this plan's layout: compute = sum of the
/// prices of the operators of a rank (in a pipeline, of the stage with most), what chunks cut, slots share or buckets
/// fuse at the least price per row at any size; network = bytes of gradients that must leave their rank over the
/// bandwidth of one port. Rows that experts receive are not in it: a placement may keep them at home.
StepBound step_bound(const Plan& plan);

}  // namespace moesaic::planner
