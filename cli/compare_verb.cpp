// moesaic compare: prediction against measurement, task by task. Plans are simulated first; with a result's recorded
// routing a second time, so that the error of the routing forecast and the error of the prices stand apart.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/arguments.h"
#include "cli/interruptible_evaluator.h"
#include "cli/measured_run.h"
#include "cli/report_input.h"
#include "cli/verbs.h"
#include "core/plan/plan_document.h"
#include "core/schema/error.h"
#include "core/timeline/comparison.h"
#include "core/timeline/stage_waits.h"

namespace moesaic::cli {
namespace {

struct CompareOptions {
  std::string a, b, report;
};

/// One side: a timeline, and what it came from.
struct Side {
  std::string file;
  std::optional<Plan> plan;  // of a plan document
  MeasuredRun run;           // of any other document than a result the timeline alone
};

Timeline simulated(const Plan& plan, int64_t step, const std::string& file) {
  simulator::SimulationOptions options;
  options.timeline = true;
  options.step = step;
  simulator::SimulationResult result = simulate_interruptibly(plan, options);
  if (!result.evaluation.feasible) throw InputError(file, "", "the plan is infeasible: " + result.evaluation.reason);
  return std::move(result.timeline);
}

Side load(const std::string& file) {
  const Json json = read_json(file);
  const std::string kind = document_kind(json, file);
  Side side;
  side.file = file;
  if (kind == "timeline") {
    side.run.timeline = read_timeline(json, file);
  } else if (kind == "plan") {
    side.plan = read_plan(json, file);
    side.run.timeline = simulated(*side.plan, 0, file);
    side.run.timeline.plan_hash = document_hash(write_plan(*side.plan));
  } else if (kind == "result") {
    side.run = read_measured_run(json, file);
  } else {
    throw InputError(file, "/kind", "is the document of another kind: " + kind, "a plan, a timeline or a result");
  }
  return side;
}

/// A measurement is never the prediction of what was not measured, whatever the order in which the two are named.
void put_measured_last(Side& a, Side& b) {
  if (!a.run.timeline.measured || b.run.timeline.measured) return;
  std::swap(a, b);
  Session::say(b.file + " was measured and " + a.file + " was not: the prediction is " + a.file);
}

/// The plan with the routing that the run really had.
std::optional<Plan> with_recorded_routing(const Side& a, const Side& b) {
  if (!a.plan || !b.run.routing.recorded()) return std::nullopt;
  Plan plan = *a.plan;
  plan.routing = b.run.routing;
  return plan;
}

std::optional<Timeline> simulated_again(const std::optional<Plan>& recorded, const Side& a, const Side& b) {
  if (!recorded) return std::nullopt;
  Timeline timeline = simulated(*recorded, b.run.timeline_step, a.file);
  timeline.plan_hash = a.run.timeline.plan_hash;
  return timeline;
}

void run(const CompareOptions& o, Session& session) {
  check_outputs({o.report}, {o.a, o.b});
  Side a = load(o.a), b = load(o.b);
  put_measured_last(a, b);
  const MeasuredRun& measured = b.run;
  take_stage_meetings(a.run.timeline, b.run.timeline);
  const std::optional<Plan> rerouted = with_recorded_routing(a, b);
  const std::optional<Timeline> recorded = simulated_again(rerouted, a, b);
  const Timeline& predicted = recorded ? *recorded : a.run.timeline;
  Comparison comparison = compare(predicted, measured.timeline);
  if (recorded) comparison.planned = compare_planned(a.run.timeline.step_seconds, measured.timeline.step_seconds);
  if (measured.steps) comparison.disturbance = compare_undisturbed(comparison.predicted_step, *measured.steps);
  Json json = write_comparison(comparison);
  if (!measured.processors.empty()) json["measured_on"] = measured.processors;
  std::string text = comparison_table(comparison);
  if (a.run.steps && a.run.steps->disturbance.disturbed())
    text = a.file + ": " + sentence_of(a.run.steps->disturbance) + "\n" + text;
  if (!o.report.empty()) {
    if (!a.plan) throw InputError(a.file, "", "is no plan", "a plan and what was measured with it for --report");
    ReportInput input =
        report_input(rerouted ? *rerouted : *a.plan, &predicted, &measured.timeline, &comparison, measured.peaks);
    if (!measured.processors.empty()) input.summary.emplace_back("measured on", measured.processors);
    write_file(o.report, html_report(input));
  }
  session.print(json, text);
}

}  // namespace

void add_compare(CLI::App& app, Session& session) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* verb = app.add_subcommand("compare", "prediction against measurement, task by task");
  verb->add_option("A", options->a,
                   "prediction: a plan, timeline or result; what was measured and B was not counts as B")
      ->required();
  verb->add_option("B", options->b, "measurement: a plan, timeline or result")->required();
  verb->add_option("--report", options->report, "write an HTML report; one of the two must be a plan");
  add_json_option(*verb, session);
  refuse_seed(*verb, "a comparison makes no random choice");
  verb->footer("Example:\n  moesaic compare plan.json result.json --report report.html");
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace moesaic::cli
