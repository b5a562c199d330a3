#pragma once
// When each task of a step ran, predicted or measured, with the same task ids on both sides. It knows nothing of how
// the times came about.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/graph/task_graph.h"
#include "core/schema/documents.h"

namespace moesaic {

/// Which ranks of several pipeline stages meet in a task. Stages are equally many consecutive ranks.
enum class StageMeeting : uint8_t {
  none,      // of one stage at most
  next,      // a rank sends to the one at its position in the next stage
  previous,  // the way back
  all,       // all that run the task
};
inline constexpr int kNumStageMeetings = 4;
const char* name_of(StageMeeting meeting);

/// The row of a task table: what a picture or a comparison needs to know of a task without the graph.
struct TaskRow {
  std::string label;
  Op op = Op::add;
  Lane lane = Lane::compute;
  Phase phase = Phase::forward;
  int layer = -1;
  StageMeeting stage_meeting = StageMeeting::none;
};

struct TaskTime {
  int rank = 0;
  TaskIndex task = 0;
  Seconds start = 0;  // since the start of the step
  Seconds end = 0;
};

struct MemorySample {
  int rank = 0;
  Seconds time = 0;
  Bytes bytes = 0;  // live on the device
};

struct Timeline {
  bool measured = false;
  std::string plan_hash;
  int num_ranks = 1;
  int num_stages = 1;        // of the pipeline; divides num_ranks
  int num_steps = 1;         // how many steps stand behind it
  Seconds step_seconds = 0;  // median over steps
  OfTasks<TaskRow> rows;
  std::vector<TaskTime> times;  // one per (rank, task); of the step with the median duration
  /// [num_ranks]: the rank whose entries in `times` hold for this one too. Empty, as in every document: each has its
  /// own.
  Table<int, int> same_as;
  int same_times_as(int rank) const { return same_as.empty() ? rank : same_as[rank]; }
  std::vector<MemorySample> memory;
};

/// The task table of a graph.
OfTasks<TaskRow> task_rows(const TaskGraph& graph);

/// Mean over ranks of the time in which a network task of the rank is open that waits for no other pipeline stage, and
/// none of its compute tasks runs.
Seconds exposed_communication(const Timeline& timeline);
/// Mean over ranks of the time in which a rank does nothing but wait for another pipeline stage.
Seconds pipeline_bubble(const Timeline& timeline);
/// Mean over ranks of the time in which a copy between tiers or a storage task runs and nothing of the two above.
Seconds exposed_transfer(const Timeline& timeline);
/// Mean over ranks of the time in which the compute lane runs.
Seconds compute_busy(const Timeline& timeline);
/// The highest sample of any rank.
Bytes peak_memory(const Timeline& timeline);

Json write_timeline(const Timeline& timeline);  // kind moesaic.timeline/1
Timeline read_timeline(const Json& json, const std::string& file, const std::string& pointer = "");

}  // namespace moesaic
