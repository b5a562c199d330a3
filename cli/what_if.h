#pragma once
// What-if edits of a plan's cluster, workload and decisions: `links.nic.bandwidth_bytes_per_s*=2`, `nodes.count=12`,
// `dispatch.chunks=4`.

#include <string>
#include <vector>

#include "core/plan/plan.h"

namespace moesaic::cli {

/// Applies the edits in order. A key is a dotted path in the cluster document, the workload document or the plan's own
/// keys (searched in that order); `=` sets, `*=` multiplies a number. Throws InputError with the nearest key for an
/// unknown one, for a result that is no valid plan, and for an edit that changes nothing: the value that was there, or
/// a key that the simulation of a plan cannot feel (unfelt_edits.h).
/// Measured curves follow the rates that are edited (edited_profile.h).
Plan with_edits(const Plan& plan, const std::vector<std::string>& edits);

}  // namespace moesaic::cli
