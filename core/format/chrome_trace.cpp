// Trace Event Format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
#include "core/format/chrome_trace.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/cost/task_work.h"
#include "core/schema/documents.h"
#include "core/schema/formatted.h"
#include "core/timeline/last_arrivals.h"
#include "core/timeline/tracks.h"

namespace moesaic {
namespace {

constexpr int kMaxTracks = 1000;  // threads are numbered lane * kMaxTracks + track, so that viewers sort them by lane

/// Of both ends of an interval, so that what follows on it still does when it is rounded.
int64_t nanoseconds(Seconds time) { return std::llround(1e9 * time); }

/// "12.5", in microseconds.
std::string microseconds(int64_t nanoseconds) {
  char text[32];
  const auto written =
      std::to_chars(text, text + sizeof text, static_cast<double>(nanoseconds) / 1000, std::chars_format::fixed);
  return {text, written.ptr};
}

std::string text_of(const std::string& text) { return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string thread_name(int thread) {
  const std::string lane = name_of(static_cast<Lane>(thread / kMaxTracks));
  const int track = thread % kMaxTracks;
  return track == 0 ? lane : lane + " " + std::to_string(track + 1);
}

class Writer {
 public:
  Writer(const TracedStep& step, const TextSink& out)
      : timeline_(step.timeline),
        out_(out),
        shown_(static_cast<size_t>(timeline_.num_ranks), step.ranks.empty()),
        tracks_(tracks_of(timeline_)),
        arrivals_(last_arrivals(timeline_, step.graph)),
        work_(step.graph, step.plan, step.step) {
    for (const int rank : step.ranks) shown_.at(static_cast<size_t>(rank)) = true;
    for (const TaskRow& row : timeline_.rows) labels_.push_back(text_of(row.label));
  }

  void write() {
    const Json about = {
        {"plan_hash", timeline_.plan_hash}, {"measured", timeline_.measured}, {"step_seconds", timeline_.step_seconds}};
    out_(R"({"displayTimeUnit":"ms","otherData":)" + about.dump() + R"(,"traceEvents":[)");
    name_tracks();
    for (size_t i = 0; i < timeline_.times.size(); ++i)
      if (shows(timeline_.times[i].rank)) write_task(i);
    for (const MemorySample& sample : timeline_.memory)
      if (shows(sample.rank)) write_sample(sample);
    out_("]}");
  }

 private:
  bool shows(int rank) const { return shown_[static_cast<size_t>(rank)]; }

  int thread_of(size_t at) const {
    return static_cast<int>(timeline_.rows[timeline_.times[at].task].lane) * kMaxTracks + tracks_[at];
  }
  /// The place of an event: a process and one of its threads.
  static std::string place(int rank, int thread) {
    return R"("pid":)" + std::to_string(rank) + R"(,"tid":)" + std::to_string(thread);
  }

  void event(const std::string& text) {
    out_(std::exchange(first_, false) ? "{" : ",{");
    out_(text);
    out_("}");
  }

  void metadata(const char* name, int rank, int thread, const std::string& argument, const std::string& value) {
    event(formatted(R"("name":"%s","ph":"M",)", name) + place(rank, thread) + R"(,"args":{")" + argument +
          "\":" + value + "}");
  }

  void name_tracks() {
    std::set<std::pair<int, int>> threads;  // (rank, thread) in use
    for (size_t i = 0; i < tracks_.size(); ++i)
      if (shows(timeline_.times[i].rank)) threads.emplace(timeline_.times[i].rank, thread_of(i));
    const std::string suffix = timeline_.measured ? " (measured)" : " (predicted)";
    for (int rank = 0; rank < timeline_.num_ranks; ++rank) {
      if (!shows(rank)) continue;
      metadata("process_name", rank, 0, "name", text_of("rank " + std::to_string(rank) + suffix));
      metadata("process_sort_index", rank, 0, "sort_index", std::to_string(rank));
    }
    for (const auto& [rank, thread] : threads) {
      metadata("thread_name", rank, thread, "name", text_of(thread_name(thread)));
      metadata("thread_sort_index", rank, thread, "sort_index", std::to_string(thread));
    }
  }

  std::string arguments(const TaskTime& time) {
    const TaskRow& row = timeline_.rows[time.task];
    std::string text = formatted(R"("phase":"%s","task":%d)", name_of(row.phase), time.task.value());
    if (row.layer >= 0) text += R"(,"layer":)" + std::to_string(row.layer);
    const TaskWork work = work_.of(time.task, time.rank);
    if (work.flops > 0) text += formatted(R"(,"flops":%.0f)", work.flops);
    if (work.memory_bytes > 0) text += formatted(R"(,"memory_bytes":%.0f)", work.memory_bytes);
    for (const auto& [key, bytes] :
         {std::pair("intra_node_bytes", work.intra_node_bytes), std::pair("inter_node_bytes", work.inter_node_bytes),
          std::pair("moved_bytes", work.moved_bytes)})
      if (bytes > 0) text += formatted(R"(,"%s":%lld)", key, static_cast<long long>(bytes));
    return text;
  }

  void write_task(size_t at) {
    const TaskTime& time = timeline_.times[at];
    const int64_t start = nanoseconds(time.start), end = nanoseconds(time.end);
    event(R"("name":)" + labels_[time.task] + R"(,"cat":")" + name_of(timeline_.rows[time.task].op) +
          R"(","ph":"X","ts":)" + microseconds(start) + R"(,"dur":)" + microseconds(end - start) + "," +
          place(time.rank, thread_of(at)) + R"(,"args":{)" + arguments(time) + "}");
    const auto [producer, peer] = arrivals_[at];
    if (producer >= 0) {
      const TaskTime& made = timeline_.times[static_cast<size_t>(producer)];
      write_arrow("dependency", producer, (nanoseconds(made.start) + nanoseconds(made.end)) / 2, at, start);
    }
    if (peer >= 0) {
      const int64_t came = nanoseconds(timeline_.times[static_cast<size_t>(peer)].start) + 1;
      write_arrow("arrival", peer, came, at, std::max(start, came));
    }
  }

  /// Viewers look for the slice that is open at either end, in the order of time and, at the same time, of the file: so
  /// an arrow begins behind the start of a slice. There is none where an end would be in no slice: of ranks that are
  /// not shown, of tasks that take no time.
  void write_arrow(const char* kind, int32_t from, int64_t left, size_t to, int64_t reached) {
    const TaskTime &sender = timeline_.times[static_cast<size_t>(from)], &waiter = timeline_.times[to];
    if (!shows(sender.rank) || left <= nanoseconds(sender.start) || left >= nanoseconds(sender.end) ||
        reached >= nanoseconds(waiter.end))
      return;
    const std::string name =
        formatted(R"("name":"%s","cat":"wait","id":%lld,)", kind, static_cast<long long>(arrows_++));
    event(name + R"("ph":"s","ts":)" + microseconds(left) + "," +
          place(sender.rank, thread_of(static_cast<size_t>(from))));
    event(name + R"("ph":"f","bp":"e","ts":)" + microseconds(reached) + "," + place(waiter.rank, thread_of(to)));
  }

  void write_sample(const MemorySample& sample) {
    event(R"("name":"device memory","ph":"C","ts":)" + microseconds(nanoseconds(sample.time)) + R"(,"pid":)" +
          std::to_string(sample.rank) + R"(,"args":{"bytes":)" + std::to_string(sample.bytes) + "}");
  }

  const Timeline& timeline_;
  const TextSink& out_;
  std::vector<bool> shown_;                  // [ranks]
  const std::vector<int> tracks_;            // [times]
  const std::vector<LastArrival> arrivals_;  // [times]
  WorkOfTasks work_;
  OfTasks<std::string> labels_;  // as JSON
  bool first_ = true;
  int64_t arrows_ = 0;
};

}  // namespace

void write_chrome_trace(const TracedStep& step, const TextSink& out) { Writer(step, out).write(); }

}  // namespace moesaic
