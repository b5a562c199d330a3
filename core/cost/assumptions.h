#pragma once
// Which figures that nobody measured stand in the prices of a step, for the answer to say so. It prices nothing.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/schema/cluster.h"
#include "core/schema/profile.h"
#include "core/schema/workload.h"

namespace moesaic {

struct Assumption {
  /// "flops_efficiency", "bandwidth_efficiency", "link_efficiency": a share of the peak rate; "assumed_curves": their
  /// number; "task_overhead_s"; "launch_interval_s"; "collective_slowdown", of compute.
  std::string what;
  double value = 0;
  int64_t tasks = 0;  // whose prices stand on it, over all ranks; 0: not counted
  std::string origin;
  bool operator==(const Assumption&) const = default;
};

/// Of prices by their basis (Evaluation::price_basis). A roofline takes the slower of arithmetic and traffic, so it
/// stands on both efficiencies. Empty where every price was measured.
std::vector<Assumption> assumptions_of(const Profile& profile, const Cluster& cluster, WorkloadPhase phase,
                                       const std::map<std::string, int64_t>& price_basis);

}  // namespace moesaic
