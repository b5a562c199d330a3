#include "cli/report/html_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "cli/report/assets.h"
#include "cli/report/report_data.h"
#include "core/schema/documents.h"
#include "tests/cli/report/synthetic_step.h"
#include "tests/core/timeline/sample_timeline.h"

namespace moesaic {
namespace {

/// The embedded document, found as a browser finds it: up to the first "</script".
Json embedded_data(const std::string& html) {
  const std::string open = "<script type=\"application/json\" id=\"data\">";
  const size_t begin = html.find(open) + open.size();
  return Json::parse(html.substr(begin, html.find("</script", begin) - begin));
}

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST(HtmlReport, HoldsTheData) {
  SyntheticStep step;
  const Json data = embedded_data(html_report(step.input()));
  EXPECT_EQ(data["title"], "GPT-MoE on 4 ranks");
  EXPECT_EQ(data["summary"][0], Json::array({"model", "GPT-MoE, 8 layers, 16 experts"}));
  EXPECT_EQ(data["predicted"]["times"].size(), 5 * step.predicted.times.size());
  EXPECT_EQ(data["measured"]["times"].size(), 5 * step.measured.times.size());
  EXPECT_EQ(data["predicted"]["rows"][0][0], step.predicted.rows[0].label);
  EXPECT_DOUBLE_EQ(data["comparison"]["step_error"].get<double>(), step.comparison.step_error);
  EXPECT_EQ(data["comparison"]["tasks"].size(), 15u);
  EXPECT_EQ(data["comparison"]["total_tasks"], step.comparison.tasks.size());
  EXPECT_EQ(data["placement"].size(), 4u);
  write_file(::testing::TempDir() + "moesaic_report.html", html_report(step.input()));  // to look at it
}

// What waits for a stage is bubble in every figure of the page: tests/core/timeline/stage_waits_test.cpp has the step.
TEST(HtmlReport, ShowsThePipelinesBubble) {
  const Timeline timeline = pipeline_timeline();
  ReportInput input;
  input.predicted = &timeline;
  const Json data = report_data(input)["predicted"];
  EXPECT_EQ(data["bubble_seconds"], 5.5);
  EXPECT_EQ(data["num_stages"], 2);
  EXPECT_EQ(data["exposed_communication_seconds"], 4);
  EXPECT_EQ(data["phases"][1], Json::parse(R"({"name": "backward", "compute": 3.0, "communication": 1.0,
                                               "transfer": 0.0, "bubble": 3.0, "idle": 0.0})"));
  // Two transfers of 2 and 1 seconds, each as long at both ends.
  EXPECT_EQ(data["operators"]["all_to_all"], Json::parse(R"({"seconds": 3.0, "tasks": 2})"));
}

// Of four steps the first makes kernels, and one of the other three was left alone. The ranks lost 10 % of their time.
TEST(HtmlReport, SaysWhatDisturbedARunWithoutAComparison) {
  ReportInput input;
  EXPECT_TRUE(report_data(input)["disturbance"].is_null());
  MeasuredSteps& steps = input.steps.emplace();
  steps.seconds = {4, 2, 3, 3};
  steps.disturbance.by_step = {0.5, 0.01, 0.2, 0.2};
  steps.disturbance.by_rank = {0.1, 0.1};
  EXPECT_EQ(report_data(input)["disturbance"], Json::parse(R"({
      "disturbed": true, "share": 0.1, "steal_share": 0.0, "sentence": "the machine was disturbed: 10 % of the ranks' time",
      "steps": 3, "undisturbed_steps": 1, "undisturbed_step_seconds": 2.0})"));
  // A comparison says it with its error: (3 - 2) / 2.
  Comparison comparison;
  comparison.disturbance = compare_undisturbed(3, steps);
  input.comparison = &comparison;
  EXPECT_EQ(report_data(input)["disturbance"]["undisturbed_step_error"], 0.5);
}

// Steps 11 to 15 of a run, the third of them skipped; of at most 3 points each is the mean of two steps: (4 + 3) / 2, 2
// alone, 1.5.
TEST(HtmlReport, ShowsHowARunLearnt) {
  const Json result = Json::parse(R"({"first_step": 10, "loss": [4, 3, null, 2, 1.5], "learning_rate": [1, 1, 2, 2, 3],
                                      "validation": [{"step": 12, "loss": 3.5}, {"step": 15, "loss": 1.75}]})");
  ReportInput input;
  EXPECT_TRUE(report_data(input)["training"].is_null());
  input.training = read_training_curves(result, "result.json");
  EXPECT_EQ(report_data(input)["training"], Json::parse(R"({
      "steps": [11.0, 12.0, 13.0, 14.0, 15.0], "steps_per_point": 1, "sampled": false,
      "loss": [4.0, 3.0, null, 2.0, 1.5],
      "learning_rate": [1.0, 1.0, 2.0, 2.0, 3.0], "gradient_norm": [], "validation": [[12, 3.5], [15, 1.75]]})"));
  const Json thinned = training_data(*input.training, 3);
  EXPECT_EQ(thinned["steps_per_point"], 2);
  EXPECT_EQ(thinned["loss"], Json::parse("[3.5, 2.0, 1.5]"));
  EXPECT_EQ(thinned["learning_rate"], Json::parse("[1.0, 2.0, 3.0]"));
  EXPECT_EQ(thinned["steps"], Json::parse("[11.5, 13.5, 15.0]"));
}

// What a long run remembers.
TEST(HtmlReport, ShowsASampleOfALongRun) {
  const Json result = Json::parse(R"({"first_step": 0, "loss": [4, 3, 2], "sample": {"steps": [1, 700, 900]}})");
  const Json data = training_data(read_training_curves(result, "result.json"), 2000);
  EXPECT_EQ(data["steps"], Json::parse("[1.0, 700.0, 900.0]"));
  EXPECT_EQ(data["sampled"], true);
}

TEST(HtmlReport, HoldsMemoryByTier) {
  SyntheticStep step;
  const Json data = report_data(step.input());
  // The device as it is; host memory of a node of 4 ranks, of which each was measured to hold 8.6 GB.
  EXPECT_EQ(data["tiers"], Json::parse(R"([
    {"tier": "device", "ranks": 1, "capacity_bytes": 16000000000,
     "held": [["parameters", 3100000000], ["optimizer states", 2400000000]]},
    {"tier": "host", "ranks": 4, "capacity_bytes": 64000000000,
     "held": [["expert gradients", 5000000000], ["expert states", 30000000000]], "measured_peak_bytes": 34400000000}
  ])"));
  const Json& curves = data["measured"]["memory"];
  ASSERT_EQ(curves.size(), 4u);
  EXPECT_EQ(curves[0]["rank"], 3);  // the synthetic ranks hold 150 MB more each
  EXPECT_EQ(curves[0]["peak_bytes"], peak_memory(step.measured));
  EXPECT_EQ(curves[0]["points"].size(), 2 * step.measured.rows.size());  // one sample a task, few enough to stay
}

// The curve is of one step; another step of the run may have held more.
TEST(HtmlReport, TheMeasuredPeakIsOfTheWholeRun) {
  SyntheticStep step;
  ReportInput input = step.input();
  EXPECT_FALSE(report_data(input)["measured"].contains("run_peak_bytes"));
  input.measured_peaks["device"] = peak_memory(step.measured) + 3'000'000;
  const Json data = report_data(input);
  EXPECT_EQ(data["measured"]["run_peak_bytes"], peak_memory(step.measured) + 3'000'000);
  EXPECT_EQ(data["measured"]["peak_bytes"], peak_memory(step.measured));
  EXPECT_FALSE(data["predicted"].contains("run_peak_bytes"));
}

TEST(HtmlReport, DrawsTheMemoryOfFewRanksInFewPoints) {
  // 40 ranks with 10,000 samples each; the higher the rank the higher the peak.
  Timeline timeline;
  timeline.num_ranks = 40;
  for (int rank = 0; rank < 40; ++rank)
    for (int i = 0; i < 10'000; ++i) timeline.memory.push_back({rank, 1e-6 * i, 1000 * rank + i % 100});
  ReportInput input;
  input.predicted = &timeline;
  const Json data = report_data(input);
  const Json& curves = data["predicted"]["memory"];
  ASSERT_EQ(curves.size(), 16u);
  EXPECT_EQ(curves[0]["rank"], 39);
  EXPECT_EQ(curves[15]["rank"], 24);
  EXPECT_EQ(curves[0]["peak_bytes"], 39'099);
  EXPECT_LE(curves[0]["points"].size(), 2u * 2000u);
}

TEST(HtmlReport, AsksNoNetwork) {
  SyntheticStep step;
  std::string html = html_report(step.input());
  EXPECT_FALSE(std::regex_search(report_asset("page.html").begin(), report_asset("page.html").end(),
                                 std::regex("<(link|img|iframe|object)|src *=|url\\(|@import")));
  const std::string chart(report_asset("chart.min.js"));  // holds the addresses of its authors in comments
  if (!chart.empty()) html.erase(html.find(chart), chart.size());
  EXPECT_EQ(html.find("http"), std::string::npos);
  EXPECT_EQ(html.find("@import"), std::string::npos);
  EXPECT_EQ(html.find("fetch("), std::string::npos);
}

TEST(HtmlReport, LabelsCannotLeaveTheirScript) {
  Timeline timeline;
  timeline.rows = {{"</script><script>alert(1)</script> {{chart}} & \"quoted\" <!--", Op::norm}};
  timeline.times = {{0, 0, 0, 0.001}};
  ReportInput input;
  input.title = "</title><script>alert(2)</script>";
  input.predicted = &timeline;
  const std::string html = html_report(input);
  EXPECT_EQ(count(html, "alert(2)"), 3u);  // the title in the head, in the heading and in the data, each escaped
  EXPECT_EQ(count(html, "<script>alert"), 0u);
  EXPECT_EQ(embedded_data(html)["predicted"]["rows"][0][0], timeline.rows[0].label);
}

TEST(HtmlReport, EveryPlaceholderIsFilledAndEveryAssetIsThere) {
  const std::string html = html_report({});
  EXPECT_EQ(count(std::string(report_asset("page.html")), "{{"), 6u);
  for (const char* name : {"page.html", "style.css", "units.js", "colours.js", "headline.js", "timeline.js",
                           "timeline_view.js", "charts.js", "memory.js", "tables.js", "placement.js"}) {
    EXPECT_FALSE(report_asset(name).empty()) << name;
  }
  EXPECT_TRUE(report_asset("missing.js").empty());
  EXPECT_NE(html.find(report_asset("style.css")), std::string::npos);
  EXPECT_NE(html.find(report_asset("timeline.js")), std::string::npos);
  EXPECT_EQ(html.find("{{data}}"), std::string::npos);
}

TEST(RelativeRankLoads, ReplicasShareEqually) {
  // Slots: rank 0 holds experts 0 and 1, rank 1 holds 2 and 0. Loads 8, 2, 6: rank 0 = 4 + 2 = 6, rank 1 = 6 + 4 = 10,
  // mean 8.
  EXPECT_EQ(relative_rank_loads({2, {0, 1, 2, 0}}, {8, 2, 6}), (std::vector<double>{0.75, 1.25}));
  EXPECT_TRUE(relative_rank_loads({2, {0, 1, 2, 3}}, {8, 2, 6}).empty());  // loads of another model
  EXPECT_TRUE(relative_rank_loads({2, {0, 1}}, {}).empty());
  EXPECT_EQ(relative_rank_loads({1, {0, 1}}, {0, 0}), (std::vector<double>{1, 1}));
}

}  // namespace
}  // namespace moesaic
