#include "core/format/chrome_trace.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/documents.h"

namespace moesaic {
namespace {

/// Two ranks of one node: a norm, then a sum over both, and a second one that overlaps it.
struct Step {
  Timeline timeline;
  TaskGraph graph;
  Plan plan;
  std::vector<int> ranks;

  Step() {
    plan.cluster.devices_per_node = 2;
    graph.num_ranks = timeline.num_ranks = 2;
    graph.communicators = {{"world", {{0, 1}}, {0, 0}}};
    add({"layer 0 / \"norm\"", Op::norm, Lane::compute, Phase::forward, 0}).fixed_rows = 4;
    add({"sum", Op::all_reduce, Lane::network, Phase::backward, -1}).bytes = 100;
    add({"sum 2", Op::all_reduce, Lane::network, Phase::backward, 2}).bytes = 0;
    graph.tasks[0].shape.k = 8;
    graph.tasks[1].dependencies = {0};
    graph.tasks[1].communicator = graph.tasks[2].communicator = 0;
  }

  Task& add(const TaskRow& row) {
    timeline.rows.push_back(row);
    Task task;
    task.label = row.label, task.op = row.op, task.lane = row.lane, task.phase = row.phase, task.layer = row.layer;
    graph.tasks.push_back(task);
    return graph.tasks.back();
  }

  std::string trace() const {
    std::string text;
    write_chrome_trace({timeline, graph, plan, 0, ranks}, [&](std::string_view part) { text += part; });
    return text;
  }
};

// The sums of rank 0 overlap, so its network lane (number 3) takes threads 3000 and 3001. Of 4 rows of 8 a norm makes
// 8 * 4 * 8 operations and touches 2 * 4 * 8 numbers of 4 bytes; a sum of 100 bytes over 2 ranks sends 2 * 100 / 2.
// Rank 0 waits for rank 1 from 0.25 to 0.375 s (the arrow begins a nanosecond later, in rank 1's slice); each sum began
// behind its rank's norm. Seconds become microseconds.
TEST(ChromeTrace, WholeText) {
  Step step;
  step.timeline.plan_hash = "00000000000000aa";
  step.timeline.step_seconds = 0.5;
  step.timeline.times = {
      {0, 0, 0, 0.25}, {0, 1, 0.25, 0.5}, {0, 2, 0.375, 0.4375000004}, {1, 0, 0, 0.375}, {1, 1, 0.375, 0.5}};
  step.timeline.memory = {{0, 0.125, 4096}};
  EXPECT_EQ(
      step.trace(),
      R"json({"displayTimeUnit":"ms","otherData":{"plan_hash":"00000000000000aa","measured":false,"step_seconds":0.5},"traceEvents":[)json"
      R"json({"name":"process_name","ph":"M","pid":0,"tid":0,"args":{"name":"rank 0 (predicted)"}},)json"
      R"json({"name":"process_sort_index","ph":"M","pid":0,"tid":0,"args":{"sort_index":0}},)json"
      R"json({"name":"process_name","ph":"M","pid":1,"tid":0,"args":{"name":"rank 1 (predicted)"}},)json"
      R"json({"name":"process_sort_index","ph":"M","pid":1,"tid":0,"args":{"sort_index":1}},)json"
      R"json({"name":"thread_name","ph":"M","pid":0,"tid":0,"args":{"name":"compute"}},)json"
      R"json({"name":"thread_sort_index","ph":"M","pid":0,"tid":0,"args":{"sort_index":0}},)json"
      R"json({"name":"thread_name","ph":"M","pid":0,"tid":3000,"args":{"name":"network"}},)json"
      R"json({"name":"thread_sort_index","ph":"M","pid":0,"tid":3000,"args":{"sort_index":3000}},)json"
      R"json({"name":"thread_name","ph":"M","pid":0,"tid":3001,"args":{"name":"network 2"}},)json"
      R"json({"name":"thread_sort_index","ph":"M","pid":0,"tid":3001,"args":{"sort_index":3001}},)json"
      R"json({"name":"thread_name","ph":"M","pid":1,"tid":0,"args":{"name":"compute"}},)json"
      R"json({"name":"thread_sort_index","ph":"M","pid":1,"tid":0,"args":{"sort_index":0}},)json"
      R"json({"name":"thread_name","ph":"M","pid":1,"tid":3000,"args":{"name":"network"}},)json"
      R"json({"name":"thread_sort_index","ph":"M","pid":1,"tid":3000,"args":{"sort_index":3000}},)json"
      R"json({"name":"layer 0 / \"norm\"","cat":"norm","ph":"X","ts":0,"dur":250000,"pid":0,"tid":0,"args":{"phase":"forward","task":0,"layer":0,"flops":256,"memory_bytes":256}},)json"
      R"json({"name":"sum","cat":"all_reduce","ph":"X","ts":250000,"dur":250000,"pid":0,"tid":3000,"args":{"phase":"backward","task":1,"intra_node_bytes":100}},)json"
      R"json({"name":"dependency","cat":"wait","id":0,"ph":"s","ts":125000,"pid":0,"tid":0},)json"
      R"json({"name":"dependency","cat":"wait","id":0,"ph":"f","bp":"e","ts":250000,"pid":0,"tid":3000},)json"
      R"json({"name":"arrival","cat":"wait","id":1,"ph":"s","ts":375000.001,"pid":1,"tid":3000},)json"
      R"json({"name":"arrival","cat":"wait","id":1,"ph":"f","bp":"e","ts":375000.001,"pid":0,"tid":3000},)json"
      R"json({"name":"sum 2","cat":"all_reduce","ph":"X","ts":375000,"dur":62500,"pid":0,"tid":3001,"args":{"phase":"backward","task":2,"layer":2}},)json"
      R"json({"name":"layer 0 / \"norm\"","cat":"norm","ph":"X","ts":0,"dur":375000,"pid":1,"tid":0,"args":{"phase":"forward","task":0,"layer":0,"flops":256,"memory_bytes":256}},)json"
      R"json({"name":"sum","cat":"all_reduce","ph":"X","ts":375000,"dur":125000,"pid":1,"tid":3000,"args":{"phase":"backward","task":1,"intra_node_bytes":100}},)json"
      R"json({"name":"dependency","cat":"wait","id":2,"ph":"s","ts":187500,"pid":1,"tid":0},)json"
      R"json({"name":"dependency","cat":"wait","id":2,"ph":"f","bp":"e","ts":375000,"pid":1,"tid":3000},)json"
      R"json({"name":"device memory","ph":"C","ts":125000,"pid":0,"args":{"bytes":4096}}]})json");
}

// Without rank 1 the arrow from it is left out, and its memory.
TEST(ChromeTrace, ShowsTheRanksThatAreAskedFor) {
  Step step;
  step.timeline.times = {{0, 0, 0, 0.25}, {0, 1, 0.25, 0.5}, {1, 0, 0, 0.375}, {1, 1, 0.375, 0.5}};
  step.timeline.memory = {{1, 0.125, 4096}, {0, 0.25, 8192}};
  step.ranks = {0};
  const Json events = Json::parse(step.trace())["traceEvents"];
  std::vector<std::string> found;
  for (const Json& event : events)
    if (event["ph"] != "M") found.push_back(event["ph"].get<std::string>() + " " + event["name"].get<std::string>());
  EXPECT_EQ(found, (std::vector<std::string>{"X layer 0 / \"norm\"", "X sum", "s dependency", "f dependency",
                                             "C device memory"}));
  for (const Json& event : events) EXPECT_EQ(event["pid"], 0);
}

// What ends at 1.4 ns and what begins there meet at 1 ns: rounded from the length, the first would end at 2 ns.
TEST(ChromeTrace, RoundedSlicesDoNotOverlap) {
  Step step;
  step.timeline.times = {{0, 0, 0.6e-9, 1.4e-9}, {0, 1, 1.4e-9, 3e-9}};
  std::vector<double> times;
  const Json trace = Json::parse(step.trace());
  for (const Json& event : trace["traceEvents"])
    if (event["ph"] == "X") times.insert(times.end(), {event["ts"], event["dur"]});
  EXPECT_EQ(times, (std::vector<double>{0.001, 0, 0.001, 0.002}));
}

TEST(ChromeTrace, EmptyTimelineIsStillATrace) {
  Step step;
  step.timeline.measured = true;
  const Json trace = Json::parse(step.trace());
  ASSERT_EQ(trace["traceEvents"].size(), 4u);
  EXPECT_EQ(trace["traceEvents"][0]["args"]["name"], "rank 0 (measured)");
}

TEST(ChromeTrace, LabelThatIsNotUtf8IsReplaced) {
  Step step;
  step.timeline.rows[0].label = "bad \xff";
  step.timeline.times = {{0, 0, 0, 1}};
  EXPECT_EQ(Json::parse(step.trace())["traceEvents"].back()["name"], "bad \xEF\xBF\xBD");
}

}  // namespace
}  // namespace moesaic
