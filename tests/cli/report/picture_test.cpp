#include "cli/report/picture.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/report/svg.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// The message of the refusal.
std::string refusal(const Json& result) {
  try {
    draw_picture(result, "result.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

Json cache_result() {
  return Json::parse(R"({"kind": "moesaic.result/1", "experiment": "03_which_experts_stay_in_host_memory",
    "basis": "replayed", "capacity_percents": [10, 50, 100],
    "traces": [{"name": "Zipf <1>", "hit_rate": {"algorithm_2": [0.1, 0.5, 1.0], "lru": [0.0, 0.25, 1.0],
                                                 "lfu": [0.0, 0.2, 1.0], "min": [0.2, 0.6, 1.0]}}]})");
}

Json grid_result() {
  return Json::parse(R"({"kind": "moesaic.result/1", "experiment": "08_what_does_2d_prefetch_hide", "rounds": 5,
    "summary": [{"scenario": "here", "cells": [
      {"prefetch": "none", "simulated": {"step_s": 0.4, "exposed_communication_s": 0.05, "exposed_transfer_s": 0.1},
                           "measured": {"step_s": 0.5, "exposed_communication_s": 0.1, "exposed_transfer_s": 0.2}},
      {"prefetch": "both", "simulated": {"step_s": 0.3, "exposed_communication_s": 0.05, "exposed_transfer_s": 0}}]}]})");
}

Json growth_result() {
  return Json::parse(R"({"kind": "moesaic.result/1", "experiment": "15_what_does_simulating_cost", "rounds": 2,
    "layers_of_clusters": 2, "gpus_of_models": 8, "rows": [
      {"engine": "one", "zipf_exponent": 0, "gpus": 8, "layers": 2, "peak_bytes": 10e6, "core_s": 1},
      {"engine": "one", "zipf_exponent": 0, "gpus": 16, "layers": 2, "peak_bytes": 20e6, "core_s": 2},
      {"engine": "one", "zipf_exponent": 0, "gpus": 32, "layers": 2, "peak_bytes": 100e6, "core_s": 10},
      {"engine": "one", "zipf_exponent": 0, "gpus": 8, "layers": 4, "peak_bytes": 10e6, "core_s": 10}]})");
}

TEST(CacheCurve, PutsEveryRateAtItsPlace) {
  // The plot is 270 wide and 150 high, its lower left corner at (62, 52 + 150 + 14 = 216). LRU: 10 % and 0 at
  // (62 + 27, 216); 50 % and 0.25 at (62 + 135, 216 - 37.5); 100 % and 1 at (332, 66).
  const std::string svg = draw_picture(cache_result(), "result.json").svg;
  EXPECT_TRUE(has(svg, "<polyline points=\"89.0,216.0 197.0,178.5 332.0,66.0\" class=\"warm stroke\"/>"));
  EXPECT_TRUE(has(svg, "<title>LRU: 25.0 % hits at 50 % of the experts</title>"));
  EXPECT_TRUE(has(svg, "points=\"89.0,201.0 197.0,141.0 332.0,66.0\" class=\"accent thick stroke\""));
  for (const char* text : {"hit rate (%)", "size of the cache (% of all experts)", "Algorithm 2 of SE-MoE", "LFU",
                           "Belady's MIN", "Zipf &lt;1&gt;"})
    EXPECT_TRUE(has(svg, text)) << text;
  EXPECT_FALSE(has(svg, "<1>"));
}

TEST(PrefetchGridPicture, DividesEachBarAndTellsPredictedFromMeasured) {
  // The longest step, 500 ms, is 430 wide: 0.86 a millisecond. Predicted none: 250 of 400 ms not exposed, 215; 50 ms
  // of communication, 43; 100 ms of transfers, 86. Measured none: 200, 100, 200 ms.
  const std::string svg = draw_picture(grid_result(), "result.json").svg;
  const auto bar = [](double x, double y, double width, const std::string& look) {
    char text[128];
    std::snprintf(text, sizeof text, "x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"14.0\" class=\"%s\"", x, y, width,
                  look.c_str());
    return std::string(text);
  };
  EXPECT_TRUE(has(svg, bar(168, 100, 215, "accent light")));
  EXPECT_TRUE(has(svg, bar(383, 100, 43, "communication light")));
  EXPECT_TRUE(has(svg, bar(426, 100, 86, "transfer light")));
  EXPECT_TRUE(has(svg, bar(168, 116, 172, "accent fill")));
  EXPECT_TRUE(has(svg, bar(340, 116, 86, "communication fill")));
  EXPECT_TRUE(has(svg, bar(426, 116, 172, "transfer fill")));
  EXPECT_TRUE(has(svg, bar(168, 141, 215, "accent light")));  // both, which was not executed
  for (const char* text :
       {">400.0 ms<", ">500.0 ms<", ">-25.0 %<", "time of a step (ms)", "exposed transfers: 200.0 ms"})
    EXPECT_TRUE(has(svg, text)) << text;
}

TEST(CostGrowthPicture, PutsPowersOfTheSizeOnStraightLines) {
  // Panels are 398 wide and 200 high; the lower left corner of core seconds is at (74, 62 + 200), of memory at
  // (74, 62 + 400 + 42 = 504). From 8 to 32 GPUs, 16 stands in the middle. 1 to 10 s is one decade: 2 s at
  // 262 - 200 * log10(2) = 201.8; 10 to 100 MB another one: 20 MB at 443.8. The layers' panel begins at 74 + 398 + 72.
  const std::string svg = draw_picture(growth_result(), "result.json").svg;
  EXPECT_TRUE(has(svg, "<polyline points=\"74.0,262.0 273.0,201.8 472.0,62.0\" class=\"warm dashed stroke\"/>")) << svg;
  EXPECT_TRUE(has(svg, "<polyline points=\"74.0,504.0 273.0,443.8 472.0,304.0\" class=\"warm dashed stroke\"/>"));
  EXPECT_TRUE(has(svg, "<polyline points=\"544.0,262.0 942.0,62.0\" class=\"warm dashed stroke\"/>"));
  EXPECT_TRUE(has(svg, "<title>one, uniform routing: 2 core s at 16 GPUs, 2 layers</title>"));
}

TEST(Picture, RefusesWhatItCannotDraw) {
  EXPECT_FALSE(has_picture(Json::parse(R"({"kind": "moesaic.result/1", "experiment": "05_how_fast"})")));
  EXPECT_FALSE(has_picture(Json::array()));
  EXPECT_TRUE(has_picture(grid_result()));
  EXPECT_TRUE(has(refusal(Json::object()), "result.json /experiment: is not the result of an experiment that has a"));
  Json cache = cache_result();
  cache["traces"][0]["hit_rate"]["lru"] = {0.5};
  EXPECT_TRUE(has(refusal(cache), "result.json /traces/0/hit_rate/lru: has 1 values")) << refusal(cache);
  Json grid = grid_result();
  grid["summary"][0]["cells"][1]["simulated"].erase("step_s");
  EXPECT_TRUE(has(refusal(grid), "/summary/0/cells/1/simulated/step_s")) << refusal(grid);
  Json growth = growth_result();
  growth["rows"][0]["core_s"] = 0;
  EXPECT_TRUE(has(refusal(growth), "/rows/0/core_s")) << refusal(growth);
  growth["rows"] = Json::array();
  EXPECT_TRUE(has(refusal(growth), "/rows: has no rows")) << refusal(growth);
}

TEST(Picture, PageAsksNoNetwork) {
  std::string html = html_picture(draw_picture(cache_result(), "result.json"));
  const std::string space = "xmlns=\"http://www.w3.org/2000/svg\"";  // a name, not an address
  ASSERT_TRUE(has(html, space));
  html.erase(html.find(space), space.size());
  for (const char* address : {"http", "@import", "url(", "src=", "<script"})
    EXPECT_FALSE(has(html, address)) << address;
}

/// What stands beside an experiment's README shows the committed result.
TEST(Picture, CommittedPicturesAreThoseOfTheirResults) {
  int pictures = 0;
  for (const auto& entry : fs::directory_iterator(MOESAIC_SOURCE_DIR "/experiments")) {
    if (!fs::exists(entry.path() / "result.json")) continue;
    const Json result = read_json(entry.path() / "result.json");
    EXPECT_EQ(has_picture(result), fs::exists(entry.path() / "picture.svg")) << entry.path();
    if (!has_picture(result)) continue;
    ++pictures;
    std::ifstream in(entry.path() / "picture.svg");
    const std::string committed{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    EXPECT_TRUE(draw_picture(result, "result.json").svg == committed)
        << entry.path() << ": `moesaic report` draws another";
  }
  EXPECT_EQ(pictures, 3);
}

TEST(RoundTicks, AreOneTwoOrFiveTimesAPowerOfTen) {
  EXPECT_EQ(round_ticks(500, 5), (std::vector<double>{0, 100, 200, 300, 400, 500}));
  EXPECT_EQ(round_ticks(73.5, 8), (std::vector<double>{0, 10, 20, 30, 40, 50, 60, 70}));
  EXPECT_EQ(round_ticks(2.6, 8), (std::vector<double>{0, 0.5, 1, 1.5, 2, 2.5}));
  EXPECT_EQ(round_ticks(0, 8), (std::vector<double>{0}));
}

}  // namespace
}  // namespace moesaic
