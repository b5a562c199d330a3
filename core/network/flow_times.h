#pragma once
// When each of several flows ends that start together and share their ports max-min, as SimGrid's flows do.

#include <vector>

#include "core/network/port_flows.h"

namespace moesaic {

struct FlowTimes {
  std::vector<Seconds> seconds;  // [flows], from the common start to the end of each
  Seconds makespan = 0;          // of the last one
  int shares = 0;                // how many times rates were computed
};

/// tolerance 0: rates change whenever a flow ends, as they should.
///
/// tolerance q > 0: time moves on in steps of a share q of the time that has passed (of half of what the busiest port
/// still has to do, where that is less; never less than to the next end). A flow that ends within a step has, on
/// average over the step, the rate that moves its rest, and what that leaves goes to the others at once. So laziness
/// leaves no bandwidth unused:
///  - In each step no port moves more than its capacity, and a flow that does not end has a port that is full. The
///    bounds of the makespan that follow from these two, the busiest port from below and the sum of a flow's ports from
///    above, hold as in the exact mode.
///  - Of flows that meet in one port only, what is left at the end of a step is exact: each has had all of its bytes or
///    as many as any other (sum of min(left, level) = capacity * step has one level). So the makespan is exact, and a
///    flow ends in the step that it should: its time is off by at most the step, a share q of it.
///  - Where flows meet in several ports, bottlenecks that move within a step move at its ends instead, which has no
///    bound of its own (max-min rates are not monotone); measured in README.md, at most 0.65 q of a flow's time.
FlowTimes flow_times(const PortFlows& flows, double tolerance = 0);

}  // namespace moesaic
