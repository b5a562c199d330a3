// The document moesaic.timeline/1: the task table once, then times and memory samples as compact arrays.
#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/schema/error.h"
#include "core/schema/object_reader.h"
#include "core/timeline/breakdown.h"
#include "core/timeline/timeline.h"

namespace moesaic {
namespace {

constexpr IntegerRange kRanks{1, 1 << 20};  // a larger number is taken for a damaged file
constexpr IntegerRange kLayers{-1, 1 << 20};
// Aligning the clocks of ranks may put a start slightly before zero.
constexpr NumberRange kFinite{std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max()};

/// The names of an enumeration, in order.
template <typename Enum>
std::vector<const char*> names_of(int count) {
  std::vector<const char*> names;
  for (int i = 0; i < count; ++i) names.push_back(name_of(static_cast<Enum>(i)));
  return names;
}

/// Entry i of a list must be a list of `length` values, or of up to `most`.
Field tuple(const Field& list, size_t i, size_t length, const char* shape, size_t most = 0) {
  Field entry = list[i];
  if (entry.size() < length || entry.size() > std::max(length, most))
    entry.refuse("has " + std::to_string(entry.size()) + " values", shape);
  return entry;
}

/// 1 in timelines that were written before they said it.
int read_stages(const Field& field, int num_ranks) {
  const auto stages = static_cast<int>(field.integer({1, num_ranks}, 1));
  if (num_ranks % stages != 0)
    field.refuse("does not divide the " + std::to_string(num_ranks) + " ranks", "equally many ranks in each stage");
  return stages;
}

OfTasks<TaskRow> read_rows(const Field& list) {
  static const std::vector<const char*> kOps = names_of<Op>(kNumOps);
  static const std::vector<const char*> kLanes = names_of<Lane>(kNumLanes);
  static const std::vector<const char*> kPhases = names_of<Phase>(kNumPhases);
  static const std::vector<const char*> kMeetings = names_of<StageMeeting>(kNumStageMeetings);
  OfTasks<TaskRow> rows;
  std::set<std::string> labels;
  for (size_t i = 0; i < list.size(); ++i) {
    const Field entry = tuple(list, i, 5, "[label, operator, lane, phase, layer, stage meeting?]", 6);
    TaskRow row;
    row.label = entry[0].text();
    row.op = static_cast<Op>(entry[1].choice(kOps));
    row.lane = static_cast<Lane>(entry[2].choice(kLanes));
    row.phase = static_cast<Phase>(entry[3].choice(kPhases));
    row.layer = static_cast<int>(entry[4].integer(kLayers));
    if (entry.size() == 6) row.stage_meeting = static_cast<StageMeeting>(entry[5].choice(kMeetings));
    if (!labels.insert(row.label).second) entry[0].refuse("is the label of an earlier task too", "one label per task");
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<TaskTime> read_times(const Field& list, const Timeline& timeline) {
  const IntegerRange tasks{0, static_cast<int64_t>(timeline.rows.size()) - 1};
  std::vector<TaskTime> times;
  std::set<std::pair<int, TaskIndex>> seen;
  for (size_t i = 0; i < list.size(); ++i) {
    const Field entry = tuple(list, i, 4, "[rank, task, start, end]");
    TaskTime time;
    time.rank = static_cast<int>(entry[0].integer({0, timeline.num_ranks - 1}));
    time.task = TaskIndex(entry[1].integer(tasks));
    time.start = entry[2].number(kFinite);
    time.end = entry[3].number(kFinite);
    if (time.end < time.start) entry.refuse("ends before it starts", "[rank, task, start, end] with end >= start");
    if (!seen.emplace(time.rank, time.task).second)
      entry.refuse("repeats a task of its rank", "one entry per rank and task");
    times.push_back(time);
  }
  return times;
}

std::vector<MemorySample> read_memory(const Field& list, const Timeline& timeline) {
  std::vector<MemorySample> memory;
  for (size_t i = 0; i < list.size(); ++i) {
    const Field entry = tuple(list, i, 3, "[rank, time, bytes]");
    memory.push_back({static_cast<int>(entry[0].integer({0, timeline.num_ranks - 1})), entry[1].number(kFinite),
                      entry[2].integer(kBytesRange)});
  }
  return memory;
}

}  // namespace

Json write_timeline(const Timeline& timeline) {
  MOESAIC_CHECK(timeline.same_as.empty(), "a document has the times of every rank");
  Json json = {{"kind", "moesaic.timeline/1"},    {"measured", timeline.measured},
               {"plan_hash", timeline.plan_hash}, {"num_ranks", timeline.num_ranks},
               {"num_steps", timeline.num_steps}, {"step_seconds", timeline.step_seconds}};
  if (timeline.num_stages > 1) json["num_stages"] = timeline.num_stages;
  Json& tasks = json["tasks"] = Json::array();
  for (const TaskRow& row : timeline.rows) {
    tasks.push_back(Json::array({row.label, name_of(row.op), name_of(row.lane), name_of(row.phase), row.layer}));
    if (row.stage_meeting != StageMeeting::none) tasks.back().push_back(name_of(row.stage_meeting));
  }
  Json& times = json["times"] = Json::array();
  for (const TaskTime& time : timeline.times)
    times.push_back(Json::array({time.rank, time.task.value(), time.start, time.end}));
  Json& memory = json["memory"] = Json::array();
  for (const MemorySample& sample : timeline.memory)
    memory.push_back(Json::array({sample.rank, sample.time, sample.bytes}));
  return json;
}

Timeline read_timeline(const Json& json, const std::string& file, const std::string& pointer) {
  ObjectReader reader = open_document(json, file, pointer, "timeline");
  Timeline timeline;
  timeline.measured = reader["measured"].boolean();
  timeline.plan_hash = reader["plan_hash"].text();
  timeline.num_ranks = static_cast<int>(reader["num_ranks"].integer(kRanks));
  timeline.num_stages = read_stages(reader["num_stages"], timeline.num_ranks);
  timeline.num_steps = static_cast<int>(reader["num_steps"].integer(kCount));
  timeline.step_seconds = reader["step_seconds"].number(kNotNegative);
  timeline.rows = read_rows(reader["tasks"]);
  timeline.times = read_times(reader["times"], timeline);
  timeline.memory = read_memory(reader["memory"], timeline);
  reader.finish();
  return timeline;
}

}  // namespace moesaic
