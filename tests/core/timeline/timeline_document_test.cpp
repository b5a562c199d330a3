#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "tests/core/timeline/sample_timeline.h"

namespace moesaic {
namespace {

TEST(TimelineDocument, WholeText) {
  Timeline timeline = sample_timeline();
  timeline.times.resize(2);
  timeline.memory.resize(1);
  EXPECT_EQ(
      write_timeline(timeline).dump(),
      R"({"kind":"moesaic.timeline/1","measured":false,"plan_hash":"00000000000000aa","num_ranks":2,"num_steps":1,"step_seconds":0.01,)"
      R"("tasks":[["layer 0 / attention","attention","compute","forward",0],["layer 0 / dispatch","all_to_all","network","forward",0],)"
      R"(["layer 0 / weight grad","linear_wgrad","compute","backward",0]],)"
      R"("times":[[0,0,0.0,0.004],[0,1,0.003,0.007]],"memory":[[0,0.0,1000]]})");
}

TEST(TimelineDocument, RoundTripKeepsEveryBit) {
  Timeline timeline = sample_timeline();
  timeline.measured = true;
  timeline.num_steps = 20;
  timeline.times[0].end = 0.1 + 0.2;
  timeline.times[0].start = -1e-6;
  const Timeline back = read_timeline(Json::parse(write_timeline(timeline).dump()), "t.json");
  EXPECT_EQ(write_timeline(back).dump(), write_timeline(timeline).dump());
  EXPECT_TRUE(back.measured);
  EXPECT_EQ(back.num_steps, 20);
  EXPECT_EQ(back.times[0].end, 0.1 + 0.2);
  EXPECT_EQ(back.rows[2].op, Op::linear_wgrad);
  EXPECT_EQ(back.memory[3].bytes, 2500);
}

// Tasks of one stage keep their five values; a timeline without a pipeline says nothing of stages.
TEST(TimelineDocument, SaysWhereStagesMeet) {
  const Json json = write_timeline(pipeline_timeline());
  EXPECT_EQ(json["num_stages"], 2);
  EXPECT_EQ(json["tasks"][0], Json::parse(R"(["layer 0 / forward", "attention", "compute", "forward", 0])"));
  EXPECT_EQ(json["tasks"][1],
            Json::parse(R"(["forward / stage 0 to 1", "all_to_all", "network", "forward", -1, "next_stage"])"));
  const Timeline back = read_timeline(json, "t.json");
  EXPECT_EQ(back.num_stages, 2);
  EXPECT_EQ(back.rows[4].stage_meeting, StageMeeting::previous);
  EXPECT_EQ(write_timeline(back), json);
}

struct Damage {
  const char* name;
  std::function<void(Json&)> apply;
  const char* pointer;  // where the complaint must point
};

class DamagedTimeline : public ::testing::TestWithParam<Damage> {};

TEST_P(DamagedTimeline, IsRefusedWithItsPlace) {
  Json json = write_timeline(sample_timeline());
  GetParam().apply(json);
  try {
    read_timeline(json, "t.json");
    FAIL() << "accepted";
  } catch (const InputError& error) {
    EXPECT_EQ(error.file(), "t.json");
    EXPECT_EQ(error.pointer(), GetParam().pointer) << error.what();
  }
}

const Damage kDamages[] = {
    {"NotAnObject", [](Json& j) { j = Json::array(); }, ""},
    {"OtherKind", [](Json& j) { j["kind"] = "moesaic.plan/1"; }, "/kind"},
    {"NoKind", [](Json& j) { j.erase("kind"); }, "/kind"},
    {"UnknownKey", [](Json& j) { j["timez"] = 1; }, "/timez"},
    {"MissingTimes", [](Json& j) { j.erase("times"); }, "/times"},
    {"TimesAnObject", [](Json& j) { j["times"] = Json::object(); }, "/times"},
    {"ShortTuple",
     [](Json& j) {
       j["times"][2] = Json::array({0, 2, 0.1});
     },
     "/times/2"},
    {"TupleNotAList", [](Json& j) { j["times"][2] = 5; }, "/times/2"},
    {"RankTooLarge", [](Json& j) { j["times"][1][0] = 2; }, "/times/1/0"},
    {"RankNegative", [](Json& j) { j["times"][1][0] = -1; }, "/times/1/0"},
    {"TaskTooLarge", [](Json& j) { j["times"][1][1] = 3; }, "/times/1/1"},
    {"TaskFraction", [](Json& j) { j["times"][1][1] = 0.5; }, "/times/1/1"},
    {"StartNull", [](Json& j) { j["times"][1][2] = nullptr; }, "/times/1/2"},
    {"EndNan", [](Json& j) { j["times"][1][3] = std::nan(""); }, "/times/1/3"},
    {"EndInfinite", [](Json& j) { j["times"][1][3] = std::numeric_limits<double>::infinity(); }, "/times/1/3"},
    {"EndBeforeStart", [](Json& j) { j["times"][1][3] = 0.0; }, "/times/1"},
    {"TaskTwice", [](Json& j) { j["times"][1][1] = 0; }, "/times/1"},
    {"UnknownOperator", [](Json& j) { j["tasks"][0][1] = "atention"; }, "/tasks/0/1"},
    {"UnknownLane", [](Json& j) { j["tasks"][0][2] = "gpu"; }, "/tasks/0/2"},
    {"UnknownPhase", [](Json& j) { j["tasks"][0][3] = 1; }, "/tasks/0/3"},
    {"LabelTwice", [](Json& j) { j["tasks"][1][0] = "layer 0 / attention"; }, "/tasks/1/0"},
    {"LayerTooLow", [](Json& j) { j["tasks"][1][4] = -2; }, "/tasks/1/4"},
    {"NoRanks", [](Json& j) { j["num_ranks"] = 0; }, "/num_ranks"},
    {"AbsurdRanks", [](Json& j) { j["num_ranks"] = 2000000000; }, "/num_ranks"},
    {"StagesDoNotDivideTheRanks",
     [](Json& j) {
       j["num_ranks"] = 3;
       j["num_stages"] = 2;
     },
     "/num_stages"},
    {"MoreStagesThanRanks", [](Json& j) { j["num_stages"] = 4; }, "/num_stages"},
    {"UnknownMeeting", [](Json& j) { j["tasks"][1].push_back("next"); }, "/tasks/1/5"},
    {"LongTask",
     [](Json& j) {
       j["tasks"][1].push_back("none");
       j["tasks"][1].push_back(0);
     },
     "/tasks/1"},
    {"NegativeStep", [](Json& j) { j["step_seconds"] = -1; }, "/step_seconds"},
    {"MemoryRank", [](Json& j) { j["memory"][0][0] = 9; }, "/memory/0/0"},
    {"MemoryNegative", [](Json& j) { j["memory"][0][2] = -1; }, "/memory/0/2"},
    {"MemoryHuge", [](Json& j) { j["memory"][0][2] = 18446744073709551615u; }, "/memory/0/2"},
};

INSTANTIATE_TEST_SUITE_P(Kinds, DamagedTimeline, ::testing::ValuesIn(kDamages),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace moesaic
