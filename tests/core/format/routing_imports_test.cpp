// Rows per expert that other systems recorded: small files by their schemas, and what is refused.

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "core/format/pytorch_trace.h"
#include "core/format/sglang_recorder.h"
#include "core/format/vllm_loads.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

using Counts = std::vector<int64_t>;

std::string refusal(const std::function<void()>& read) {
  try {
    read();
  } catch (const InputError& error) {
    return error.what();
  }
  return "none";
}

/// The document that is written is one that is read.
void expect_valid(const RoutingDocument& routing) {
  EXPECT_EQ(read_routing(write_routing(routing), "r.json"), routing);
}

std::string vllm_line(const std::string& loads, const std::string& map) {
  return R"({"record_type":"eplb_load_stats","version":1,"step":7,"num_ranks":2,"expert_load":)" + loads +
         R"(,"p2l_map":)" + map + "}\n";
}

TEST(VllmLoads, AddUpTheReplicasOfAnExpert) {
  // Layer 0: physical experts 0, 1, 2 and a second 0: 10 + 2 rows; layer 1 has the second of expert 2.
  const ImportedRouting imported = read_vllm_loads(vllm_line("[[10,1,5,2],[2,8,1,3]]", "[[0,1,2,0],[0,1,2,2]]") + "\n" +
                                                       vllm_line("[[1,1,1,1],[1,1,1,1]]", "[[2,1,0,0],[0,1,1,2]]"),
                                                   "loads.jsonl");
  const RoutingDocument& routing = imported.routing;
  EXPECT_EQ(routing.num_iterations, 2);
  EXPECT_EQ(routing.num_moe_layers, 2);
  EXPECT_EQ(routing.num_sources, 1);
  EXPECT_EQ(routing.num_experts, 3);
  EXPECT_EQ(routing.counts, (Counts{12, 1, 5, 2, 8, 4, 2, 1, 1, 1, 2, 1}));
  EXPECT_EQ(imported.left_out, std::vector<std::string>{kNoSources});
  expect_valid(routing);
}

TEST(VllmLoads, RefuseWithTheLine) {
  const auto of = [](const std::string& text) { return refusal([&] { read_vllm_loads(text, "loads.jsonl"); }); };
  EXPECT_EQ(of("\n"),
            "loads.jsonl: has no records; expected lines with \"record_type\": \"eplb_load_stats\"; record with "
            "expert_load_stats_path set");
  const std::string good = vllm_line("[[1,2]]", "[[0,1]]");
  EXPECT_EQ(of(good + R"({"record_type":"eplb_initial_mapping","version":1})"),
            "loads.jsonl:2 /record_type: is \"eplb_initial_mapping\"; expected \"eplb_load_stats\"; give the file of "
            "load statistics, not that of a placement");
  EXPECT_EQ(of(good + vllm_line("[[1,2,3]]", "[[0,1]]")),
            "loads.jsonl:2 /p2l_map/0: has 2 physical experts; expected 3 as expert_load");
  EXPECT_EQ(of(good + vllm_line("[[1,2,3]]", "[[0,1,2]]")),
            "loads.jsonl:2 /expert_load: has 1 layers of 3 experts; expected 1 layers of 2 experts as before; import "
            "recordings of one model apart from those of another");
  EXPECT_EQ(of(vllm_line("[[0,0]]", "[[0,1]]")),
            "loads.jsonl:1 /expert_load: routes no rows in layer 0; expected a count above 0 in every layer; leave "
            "this step out");
  EXPECT_NE(of(good + "{\"record_type\": \"epl").find("loads.jsonl:2"), std::string::npos);  // cut off
  EXPECT_NE(of(vllm_line("[[1,2]]", "[[0,-1]]")).find("/p2l_map/0/1"), std::string::npos);
  EXPECT_NE(of(vllm_line("[[1,2]]", "[[0,999999999]]")).find("/p2l_map/0/1"), std::string::npos);
  EXPECT_NE(of(vllm_line("[[]]", "[[]]")).find("/expert_load/0: has 0 experts"), std::string::npos);
}

TEST(SglangRecorder, PassesOverDenseLayersAndEmptySteps) {
  // Layer 0 of 3 never has rows; step 1 of 3 has none at all.
  const Json json = Json::parse(R"({"rank": 0, "logical_count": [
      [[0, 0], [3, 1], [2, 2]], [[0, 0], [0, 0], [0, 0]], [[0, 0], [4, 0], [0, 4]]],
      "average_utilization_rate_over_window": 0.7})");
  const ImportedRouting imported = read_sglang_recorder(json, "recorder.json");
  EXPECT_EQ(imported.routing.num_iterations, 2);
  EXPECT_EQ(imported.routing.num_moe_layers, 2);
  EXPECT_EQ(imported.routing.counts, (Counts{3, 1, 2, 2, 4, 0, 0, 4}));
  EXPECT_EQ(imported.left_out,
            (std::vector<std::string>{kNoSources,
                                      "1 of 3 layers never have rows: taken for dense ones; 1 of 3 steps have no rows: "
                                      "passed over"}));
  expect_valid(imported.routing);
}

TEST(SglangRecorder, TakesOneStepWithoutItsList) {
  const ImportedRouting imported =
      read_sglang_recorder(Json::parse(R"({"logical_count": [[3, 1], [2, 2]]})"), "r.json");
  EXPECT_EQ(imported.routing.num_iterations, 1);
  EXPECT_EQ(imported.routing.counts, (Counts{3, 1, 2, 2}));
}

TEST(SglangRecorder, RefusesWithThePlace) {
  const auto of = [](const char* text) { return refusal([&] { read_sglang_recorder(Json::parse(text), "r.json"); }); };
  EXPECT_EQ(of(R"({"records": []})"),
            "r.json /records: are tokens one by one; expected logical_count, which mode \"stat\" dumps; record with "
            "--expert-distribution-recorder-mode stat");
  EXPECT_EQ(of(R"({"logical_count": [[[1, 2]], [[1, 2], [3, 4]]]})"),
            "r.json /logical_count/1: has 2 layers; expected 1 as in the steps before");
  EXPECT_EQ(of(R"({"logical_count": [[[1, 2], [1]]]})"),
            "r.json /logical_count/0/1: has 1 experts; expected 2 as before");
  EXPECT_EQ(of(R"({"logical_count": [[0, 0]]})"),
            "r.json /logical_count: has no rows at all; expected a count above 0; record while requests are served");
  EXPECT_EQ(of(R"({"logical_count": [[[1, 2], [3, 4]], [[0, 0], [3, 4]]]})"),
            "r.json /logical_count/1: routes no rows in layer 0; expected a count above 0 in every layer; leave this "
            "step out");
  for (const char* text : {"{}", "[]", R"({"logical_count": []})", R"({"logical_count": [[]]})",
                           R"({"logical_count": [[[]]]})", R"({"logical_count": 3})", R"({"logical_count": [["a"]]})"})
    EXPECT_NE(of(text), "none") << text;
}

/// rows[from][to] of one exchange.
using Matrix = std::vector<std::vector<int64_t>>;

Matrix transposed(const Matrix& rows) {
  Matrix other(rows.size(), std::vector<int64_t>(rows.size()));
  for (size_t i = 0; i < rows.size(); ++i)
    for (size_t j = 0; j < rows.size(); ++j) other[j][i] = rows[i][j];
  return other;
}

Json event(size_t rank, int seq, const Matrix& rows, const std::string& group = "ep") {
  return {{"ph", "X"},
          {"name", "record_param_comms"},
          {"ts", 100.5 + seq},
          {"args",
           {{"Collective name", "all_to_allv"},
            {"Process Group Name", group},
            {"Rank", rank},
            {"Seq", seq},
            {"In split size", Json(rows[rank]).dump()},
            {"Out split size", Json(transposed(rows)[rank]).dump()}}}};
}

/// The traces of all ranks: every exchange and the one that returns its rows.
std::vector<Json> traces_of(const std::vector<Matrix>& dispatches) {
  std::vector<Json> traces;
  for (size_t rank = 0; rank < dispatches.front().size(); ++rank) {
    Json events = Json::array({{{"ph", "X"}, {"name", "aten::mm"}, {"ts", 1}},
                               {{"name", "record_param_comms"}, {"args", {{"Collective name", "allreduce"}}}}});
    int seq = 0;
    for (const Matrix& rows : dispatches) {
      events.push_back(event(rank, ++seq, rows));
      events.push_back(event(rank, ++seq, transposed(rows)));
    }
    traces.push_back({{"traceEvents", events}});
  }
  return traces;
}

ImportedRouting read_all(const std::vector<Json>& documents, const TraceReading& reading) {
  std::vector<TraceOfRank> traces;
  for (size_t i = 0; i < documents.size(); ++i) traces.push_back({documents[i], "rank" + std::to_string(i) + ".json"});
  return read_pytorch_traces(traces, reading);
}

const Matrix kFirst = {{4, 3}, {1, 6}}, kSecond = {{0, 7}, {5, 2}};

TEST(PytorchTrace, SpreadsTheRowsOfARankOverItsExperts) {
  // 4 experts on 2 ranks: 3 rows to rank 1 are 2 and 1 rows. Two iterations of one layer.
  const ImportedRouting imported = read_all(traces_of({kFirst, kSecond}), {1, 4, false, ""});
  const RoutingDocument& routing = imported.routing;
  EXPECT_EQ(routing.num_iterations, 2);
  EXPECT_EQ(routing.num_sources, 2);
  EXPECT_EQ(routing.counts, (Counts{2, 2, 2, 1, 1, 0, 3, 3, 0, 0, 4, 3, 3, 2, 1, 1}));
  EXPECT_EQ(imported.left_out,
            std::vector<std::string>{
                "which expert of a rank takes a row is not traced: the 2 of each share its rows evenly"});
  expect_valid(routing);
}

TEST(PytorchTrace, LeavesBackwardPassesOut) {
  // Two layers forward, the same backward with the last first.
  const ImportedRouting imported = read_all(traces_of({kFirst, kSecond, kSecond, kFirst}), {2, 2, true, ""});
  EXPECT_EQ(imported.routing.num_iterations, 1);
  EXPECT_EQ(imported.routing.counts, (Counts{4, 3, 1, 6, 0, 7, 5, 2}));
  EXPECT_NE(refusal([] {
              read_all(traces_of({kFirst, kSecond, kFirst, kSecond}), {2, 2, true, ""});
            }).find("is not the exchange of the forward pass"),
            std::string::npos);
}

TEST(PytorchTrace, TakesFilesInAnyOrderAndEventsOnce) {
  std::vector<Json> traces = traces_of({kFirst});
  traces[0]["traceEvents"].push_back(event(0, 1, kFirst));  // once more, as for a nested operator
  std::swap(traces[0], traces[1]);
  EXPECT_EQ(read_all(traces, {1, 2, false, ""}).routing.counts, (Counts{4, 3, 1, 6}));
}

TEST(PytorchTrace, AsksForTheGroupWhereThereAreSeveral) {
  std::vector<Json> traces = traces_of({kFirst});
  for (size_t rank = 0; rank < 2; ++rank) traces[rank]["traceEvents"].push_back(event(rank, 1, kSecond, "tp"));
  EXPECT_EQ(refusal([&] {
              read_all(traces, {1, 2, false, ""});
            }),
            "rank0.json /traceEvents: has exchanges of several groups: \"ep\", \"tp\"; expected those of one; name the "
            "group of the experts");
  EXPECT_EQ(read_all(traces, {1, 2, false, "ep"}).routing.counts, (Counts{4, 3, 1, 6}));
  EXPECT_EQ(refusal([&] {
              read_all(traces, {1, 2, false, "dp"});
            }),
            "rank0.json /traceEvents: has no all_to_allv of group \"dp\"; expected one of \"ep\", \"tp\"");
}

TEST(PytorchTrace, RefusesWithThePlace) {
  const std::vector<Json> good = traces_of({kFirst});
  const auto of = [](const std::vector<Json>& traces, const TraceReading& reading = {1, 2, false, ""}) {
    return refusal([&] { read_all(traces, reading); });
  };
  const auto changed = [&](size_t which, const char* key, const Json& value) {
    std::vector<Json> traces = good;
    traces[1]["traceEvents"][which]["args"][key] = value;
    return traces;
  };
  EXPECT_EQ(of({good[0]}),
            "rank0.json /traceEvents/2: is an exchange of 2 ranks; expected 1: there is a trace of so many; give the "
            "traces of all ranks");
  EXPECT_EQ(of({good[0], good[0]}), "rank1.json: is of rank 0, as is rank0.json; expected one trace per rank");
  EXPECT_EQ(
      of(good, {2, 2, false, ""}),
      "rank0.json /traceEvents: has 2 all_to_allv of the group; expected a multiple of 4: a dispatch and a "
      "combine for each of 2 MoE layers; say the number of MoE layers and whether it is training; trace whole steps");
  EXPECT_EQ(of(good, {1, 3, false, ""}),
            "rank0.json: is one of 2 ranks, which do not divide 3 experts; expected as many experts on every rank; "
            "say how many experts a layer has");
  EXPECT_EQ(of(changed(2, "In split size", "[1, 5]")),
            "rank1.json /traceEvents/3: does not return the rows of the exchange before it; expected a dispatch and "
            "its combine in turn; name the group of the experts");
  EXPECT_EQ(of(changed(2, "In split size", "[1, ..., 6]")),
            "rank1.json /traceEvents/2/args/In split size: is cut short: [1, ..., 6]; expected the split of every "
            "rank; the profiler shortens long lists: trace fewer ranks");
  EXPECT_EQ(of(changed(2, "In split size", "many")),
            "rank1.json /traceEvents/2/args/In split size: is \"many\"; expected a list such as \"[4, 12]\"");
  std::vector<Json> twice = good;
  twice[1]["traceEvents"].push_back(changed(2, "In split size", "[1, 5]")[1]["traceEvents"][2]);
  EXPECT_EQ(of(twice),
            "rank1.json /traceEvents/4: has the sequence number of /traceEvents/2 and other splits; expected one "
            "exchange of a number; name the group of the experts");
  std::vector<Json> other = {good[0], traces_of({kSecond})[1]};
  EXPECT_NE(of(other).find("expected traces of the same steps"), std::string::npos) << of(other);
  for (const char* text : {"[]", "{}", R"({"traceEvents": 3})", R"({"traceEvents": [3, {"name": 4}]})"})
    EXPECT_NE(of({Json::parse(text), good[1]}), "none") << text;
}

}  // namespace
}  // namespace moesaic
