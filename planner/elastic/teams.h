#pragma once
// Which ranks serve which tasks of a multi-task workload, and how a batch splits over devices of unequal speed. It
// balances sequences; what a step costs is the evaluator's.

#include <cstdint>
#include <vector>

#include "core/plan/elastic.h"

namespace moesaic::planner {

/// Sequences of the busiest rank when each team splits its tasks' batches evenly. batches: [tasks], of a microbatch.
int64_t busiest_share(const std::vector<int64_t>& batches, const std::vector<Team>& teams);

/// Every team has one task or one rank (SE-MoE section 4.1): heavy tasks are split, light ones merged. The busiest rank
/// has the fewest sequences possible with `ranks` ranks; exact up to 16 light tasks, beyond that they are packed first
/// fit, decreasing. Ranks that cannot lower it lighten the next busiest team. Fewer ranks come back only where every
/// rank has one sequence.
std::vector<Team> balanced_teams(const std::vector<int64_t>& batches, int ranks);

/// The fewest ranks on which none has more than `most` sequences, with their teams: downscaling, for cost.
std::vector<Team> smallest_teams(const std::vector<int64_t>& batches, int64_t most);

/// The same number of ranks for every task; empty where they do not divide or a task is too small.
std::vector<Team> even_teams(const std::vector<int64_t>& batches, int ranks);

/// One team: plain data parallelism, with all experts on every rank. Empty where a rank would have no sequence.
std::vector<Team> one_team(const std::vector<int64_t>& batches, int ranks);

/// Splits a microbatch so that the slowest rank's sequences / speed are least, at least one each; of splits that are
/// equal in that, ranks fill in order. speeds: [ranks]. Requires sequences >= ranks.
std::vector<int64_t> shares_by_speed(int64_t sequences, const std::vector<double>& speeds);

}  // namespace moesaic::planner
