#pragma once
// What each task of a timeline began behind, and for whom it waited: the arrows of a picture. It adds no times up.

#include <vector>

#include "core/timeline/timeline.h"

namespace moesaic {

/// Indices into Timeline::times; -1: none.
struct LastArrival {
  int32_t producer = -1;  // of the tasks on the same rank that this one needs, the last to end, if on another lane
  int32_t peer = -1;  // of the ranks that meet in this task, the last to start, if later than this one by a nanosecond;
                      // between pipeline stages the sender, of the receiver
};

/// [times]. The timeline's tasks are those of the graph.
std::vector<LastArrival> last_arrivals(const Timeline& timeline, const TaskGraph& graph);

}  // namespace moesaic
