#include "core/format/chrome_trace.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace moesaic {
namespace {

TEST(ChromeTrace, WholeText) {
  // One rank; two all-to-alls overlap, so the network lane (number 3) takes threads 3000 and 3001. Seconds become
  // microseconds.
  Timeline timeline;
  timeline.plan_hash = "00000000000000aa";
  timeline.step_seconds = 0.5;
  timeline.rows = {{"layer 0 / \"norm\"", Op::norm, Lane::compute, Phase::forward, 0},
                   {"dispatch", Op::all_to_all, Lane::network, Phase::backward, -1},
                   {"combine", Op::all_to_all, Lane::network, Phase::backward, 2}};
  timeline.times = {{0, 0, 0, 0.25}, {0, 1, 0.25, 0.5}, {0, 2, 0.375, 0.5}};
  timeline.memory = {{0, 0.125, 4096}};
  EXPECT_EQ(
      chrome_trace(timeline),
      R"json({"displayTimeUnit":"ms","otherData":{"plan_hash":"00000000000000aa","measured":false,"step_seconds":0.5},"traceEvents":[)json"
      R"json({"name":"process_name","ph":"M","pid":0,"tid":0,"args":{"name":"rank 0 (predicted)"}},)json"
      R"json({"name":"process_sort_index","ph":"M","pid":0,"tid":0,"args":{"sort_index":0}},)json"
      R"json({"name":"thread_name","ph":"M","pid":0,"tid":0,"args":{"name":"compute"}},)json"
      R"json({"name":"thread_sort_index","ph":"M","pid":0,"tid":0,"args":{"sort_index":0}},)json"
      R"json({"name":"thread_name","ph":"M","pid":0,"tid":3000,"args":{"name":"network"}},)json"
      R"json({"name":"thread_sort_index","ph":"M","pid":0,"tid":3000,"args":{"sort_index":3000}},)json"
      R"json({"name":"thread_name","ph":"M","pid":0,"tid":3001,"args":{"name":"network 2"}},)json"
      R"json({"name":"thread_sort_index","ph":"M","pid":0,"tid":3001,"args":{"sort_index":3001}},)json"
      R"json({"name":"layer 0 / \"norm\"","cat":"norm","ph":"X","ts":0.0,"dur":250000.0,"pid":0,"tid":0,"args":{"phase":"forward","task":0,"layer":0}},)json"
      R"json({"name":"dispatch","cat":"all_to_all","ph":"X","ts":250000.0,"dur":250000.0,"pid":0,"tid":3000,"args":{"phase":"backward","task":1}},)json"
      R"json({"name":"combine","cat":"all_to_all","ph":"X","ts":375000.0,"dur":125000.0,"pid":0,"tid":3001,"args":{"phase":"backward","task":2,"layer":2}},)json"
      R"json({"name":"device memory","ph":"C","ts":125000.0,"pid":0,"args":{"bytes":4096}}]})json");
}

TEST(ChromeTrace, EmptyTimelineIsStillATrace) {
  Timeline timeline;
  timeline.measured = true;
  const Json trace = Json::parse(chrome_trace(timeline));
  ASSERT_EQ(trace["traceEvents"].size(), 2u);
  EXPECT_EQ(trace["traceEvents"][0]["args"]["name"], "rank 0 (measured)");
}

TEST(ChromeTrace, LabelThatIsNotUtf8IsReplaced) {
  Timeline timeline;
  timeline.rows = {{"bad \xff", Op::norm}};
  timeline.times = {{0, 0, 0, 1}};
  EXPECT_EQ(Json::parse(chrome_trace(timeline))["traceEvents"].back()["name"], "bad \xEF\xBF\xBD");
}

}  // namespace
}  // namespace moesaic
