#pragma once
// What-if edits of a plan, or of a problem before it is planned: `links.nic.bandwidth_bytes_per_s*=2`,
// `workload.sequence_length=2048`, `dispatch.chunks=4`.

#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "planner/problem/problem.h"

namespace moesaic::cli {

/// Applies the edits in order to the plan's cluster, workload, profile (figures that are no curves) and own keys; keys
/// are found as `put` of edits.h says. Throws InputError for an unknown key, for a result that is no valid plan, and
/// for an edit that changes nothing: the value that was there, or a key that the simulation of a plan cannot feel
/// (unfelt_edits.h). Measured curves follow the rates that are edited (edited_profile.h).
Plan with_edits(const Plan& plan, const std::vector<std::string>& edits);

/// The same of a problem's cluster, workload and profile; its decisions are those of a preset document, `preset` of
/// `file`, and those that an edit takes (`layout.ep=4`), which are then fixed too.
void edit_problem(planner::Problem& problem, Json preset, const std::string& file,
                  const std::vector<std::string>& edits);

}  // namespace moesaic::cli
