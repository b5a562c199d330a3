#include "core/timeline/timeline.h"

#include <algorithm>

#include "core/timeline/breakdown.h"

namespace moesaic {

std::vector<TaskRow> task_rows(const TaskGraph& graph) {
  std::vector<TaskRow> rows;
  rows.reserve(graph.tasks.size());
  for (const Task& task : graph.tasks) rows.push_back({task.label, task.op, task.lane, task.phase, task.layer});
  return rows;
}

Seconds exposed_communication(const Timeline& timeline) {
  Seconds sum = 0;
  for (const PhaseTime& phase : step_breakdown(timeline)) sum += phase.exposed_communication;
  return sum;
}

Seconds compute_busy(const Timeline& timeline) {
  Seconds sum = 0;
  for (const PhaseTime& phase : step_breakdown(timeline)) sum += phase.compute;
  return sum;
}

Bytes peak_memory(const Timeline& timeline) {
  Bytes peak = 0;
  for (const MemorySample& sample : timeline.memory) peak = std::max(peak, sample.bytes);
  return peak;
}

}  // namespace moesaic
