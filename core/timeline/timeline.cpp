#include "core/timeline/timeline.h"

#include <algorithm>

#include "core/timeline/breakdown.h"
#include "core/timeline/stage_waits.h"

namespace moesaic {
namespace {

Seconds over_phases(const Timeline& timeline, Seconds PhaseTime::*field) {
  Seconds sum = 0;
  for (const PhaseTime& phase : step_breakdown(timeline)) sum += phase.*field;
  return sum;
}

}  // namespace

const char* name_of(StageMeeting meeting) {
  constexpr const char* kNames[kNumStageMeetings] = {"none", "next_stage", "previous_stage", "all_stages"};
  return kNames[static_cast<size_t>(meeting)];
}

OfTasks<TaskRow> task_rows(const TaskGraph& graph) {
  OfTasks<TaskRow> rows;
  rows.reserve(graph.tasks.size());
  for (const Task& task : graph.tasks)
    rows.push_back({task.label, task.op, task.lane, task.phase, task.layer, stage_meeting_of(graph, task)});
  return rows;
}

Seconds exposed_communication(const Timeline& timeline) {
  return over_phases(timeline, &PhaseTime::exposed_communication);
}

Seconds pipeline_bubble(const Timeline& timeline) { return over_phases(timeline, &PhaseTime::bubble); }

Seconds exposed_transfer(const Timeline& timeline) { return over_phases(timeline, &PhaseTime::exposed_transfer); }

Seconds compute_busy(const Timeline& timeline) { return over_phases(timeline, &PhaseTime::compute); }

Bytes peak_memory(const Timeline& timeline) {
  Bytes peak = 0;
  for (const MemorySample& sample : timeline.memory) peak = std::max(peak, sample.bytes);
  return peak;
}

}  // namespace moesaic
