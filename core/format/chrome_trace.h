#pragma once
// A timeline in the Chrome trace event format, which Perfetto and chrome://tracing open. It is written only, never read
// back.

#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "core/schema/text_sink.h"
#include "core/timeline/timeline.h"

namespace moesaic {

struct TracedStep {
  const Timeline& timeline;
  const TaskGraph& graph;  // of the timeline's tasks
  const Plan& plan;        // with the routing that the step had
  int64_t step = 0;        // of that routing
  std::vector<int> ranks;  // that the trace shows, ascending; empty: all
};

/// One process per rank, one thread per lane (more where tasks of a lane overlap), the operator as category, what the
/// task has to do (core/cost/task_work.h) as arguments, and a counter of device memory. Arrows (last_arrivals.h) lead
/// from a producer on another lane ("dependency") and from the rank that others wait for ("arrival") to the task that
/// waited, where the trace shows both. Times are microseconds, as the format demands, to a nanosecond. Nothing but one
/// event at a time stands in memory as text.
void write_chrome_trace(const TracedStep& step, const TextSink& out);

}  // namespace moesaic
