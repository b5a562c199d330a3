#pragma once
// What a step is bound by: the chain of work and waiting that ends last, by resource. It knows when tasks ran, not why.

#include <functional>
#include <map>
#include <span>
#include <string>

#include "core/timeline/timeline.h"

namespace moesaic {

/// Seconds of a path by what they went to: a family of operators ("experts", "products"), a collective ("all_to_all"),
/// "stages" (from one pipeline stage to another), "transfers" (between tiers), "idle".
using PathSeconds = std::map<std::string, Seconds>;

/// The ranks that meet in a task of the network lane, `rank` among them.
using Meeting = std::function<std::span<const int>(TaskIndex task, int rank)>;

/// Walks back from the task that ends last. While the rank computes, its time is the computation's, whatever else is
/// under way: what is hidden bounds nothing. Where it does not, its time is that of the collective, else of the
/// transfer, that ends last; a collective's only since its last member has come, before which the walk goes on with
/// that member. So time in which ranks wait for the slowest is what the slowest does. The sum is the span of the
/// timeline, ascribed to one chain, where step_breakdown() takes means over ranks.
PathSeconds critical_path(const Timeline& timeline, const Meeting& meeting);
/// The same with the communicators of the graph, whose task table the timeline's is.
PathSeconds critical_path(const Timeline& timeline, const TaskGraph& graph);

/// "expert compute (61 % of the step); exposed all-to-all 22 %, attention 9 %"; at most four resources, none below half
/// a percent. "nothing" for an empty path.
std::string what_bounds(const PathSeconds& path);

}  // namespace moesaic
