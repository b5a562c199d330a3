// Trace Event Format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
#include "core/format/chrome_trace.h"

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/timeline/tracks.h"

namespace moesaic {
namespace {

constexpr double kMicrosecondsPerSecond = 1e6;
constexpr int kMaxTracks = 1000;  // threads are numbered lane * kMaxTracks + track, so that viewers sort them by lane

int thread_of(const Timeline& timeline, const TaskTime& time, int track) {
  return static_cast<int>(timeline.rows[time.task].lane) * kMaxTracks + track;
}

std::string thread_name(int thread) {
  const std::string lane = name_of(static_cast<Lane>(thread / kMaxTracks));
  const int track = thread % kMaxTracks;
  return track == 0 ? lane : lane + " " + std::to_string(track + 1);
}

Json metadata(const char* name, int rank, int thread, Json arguments) {
  return {{"name", name}, {"ph", "M"}, {"pid", rank}, {"tid", thread}, {"args", std::move(arguments)}};
}

void name_tracks(const Timeline& timeline, const std::vector<int>& tracks, Json& events) {
  std::set<std::pair<int, int>> threads;  // (rank, thread) in use
  for (size_t i = 0; i < tracks.size(); ++i)
    threads.emplace(timeline.times[i].rank, thread_of(timeline, timeline.times[i], tracks[i]));
  const std::string suffix = timeline.measured ? " (measured)" : " (predicted)";
  for (int rank = 0; rank < timeline.num_ranks; ++rank) {
    events.push_back(metadata("process_name", rank, 0, {{"name", "rank " + std::to_string(rank) + suffix}}));
    events.push_back(metadata("process_sort_index", rank, 0, {{"sort_index", rank}}));
  }
  for (const auto& [rank, thread] : threads) {
    events.push_back(metadata("thread_name", rank, thread, {{"name", thread_name(thread)}}));
    events.push_back(metadata("thread_sort_index", rank, thread, {{"sort_index", thread}}));
  }
}

Json task_event(const Timeline& timeline, const TaskTime& time, int track) {
  const TaskRow& row = timeline.rows[time.task];
  Json arguments = {{"phase", name_of(row.phase)}, {"task", time.task.value()}};
  if (row.layer >= 0) arguments["layer"] = row.layer;
  return {{"name", row.label},
          {"cat", name_of(row.op)},
          {"ph", "X"},
          {"ts", time.start * kMicrosecondsPerSecond},
          {"dur", (time.end - time.start) * kMicrosecondsPerSecond},
          {"pid", time.rank},
          {"tid", thread_of(timeline, time, track)},
          {"args", std::move(arguments)}};
}

Json memory_event(const MemorySample& sample) {
  return {{"name", "device memory"},
          {"ph", "C"},
          {"ts", sample.time * kMicrosecondsPerSecond},
          {"pid", sample.rank},
          {"args", {{"bytes", sample.bytes}}}};
}

}  // namespace

std::string chrome_trace(const Timeline& timeline) {
  const std::vector<int> tracks = tracks_of(timeline);
  Json events = Json::array();
  name_tracks(timeline, tracks, events);
  for (size_t i = 0; i < tracks.size(); ++i) events.push_back(task_event(timeline, timeline.times[i], tracks[i]));
  for (const MemorySample& sample : timeline.memory) events.push_back(memory_event(sample));
  const Json trace = {
      {"displayTimeUnit", "ms"},
      {"otherData",
       {{"plan_hash", timeline.plan_hash}, {"measured", timeline.measured}, {"step_seconds", timeline.step_seconds}}},
      {"traceEvents", std::move(events)}};
  return trace.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace moesaic
