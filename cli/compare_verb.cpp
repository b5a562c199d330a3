// moesaic compare: prediction against measurement, task by task. Plans are simulated first; with a result's recorded
// routing a second time, so that the error of the routing forecast and the error of the prices stand apart.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/arguments.h"
#include "cli/interruptible_evaluator.h"
#include "cli/report_input.h"
#include "cli/results.h"
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
  Timeline timeline;
  std::optional<Plan> plan;                // of a plan document
  std::optional<RoutingDocument> routing;  // of a result document
  std::map<std::string, Bytes> peaks;      // by tier, of a result document
  std::string processors;                  // of a result document
  int64_t step = 0;                        // of the recorded routing
  std::optional<MeasuredSteps> steps;      // of a result document that says what disturbed it
};

Timeline simulated(const Plan& plan, int64_t step) {
  simulator::SimulationOptions options;
  options.timeline = true;
  options.step = step;
  simulator::SimulationResult result = simulate_interruptibly(plan, options);
  if (!result.evaluation.feasible)
    throw InputError(plan.name, "", "the plan is infeasible: " + result.evaluation.reason);
  return std::move(result.timeline);
}

Side load(const std::string& file) {
  const Json json = read_json(file);
  const std::string kind = document_kind(json, file);
  Side side;
  if (kind == "timeline") {
    side.timeline = read_timeline(json, file);
  } else if (kind == "plan") {
    side.plan = read_plan(json, file);
    side.timeline = simulated(*side.plan, 0);
    side.timeline.plan_hash = document_hash(write_plan(*side.plan));
  } else if (kind == "result") {
    if (!json.contains("timeline") || !json.contains("routing") || !json.contains("timeline_step"))
      throw InputError(file, "", "is a result without a timeline", "what `moesaic execute -o` wrote");
    side.timeline = read_timeline(json["timeline"], file);
    side.routing = read_routing(json["routing"], file, "/routing");
    side.step = json["timeline_step"];
    side.peaks = json.value("peak_bytes", side.peaks);
    side.processors = processors_of(json, file);
    side.steps = read_measured_steps(json, file);
  } else {
    throw InputError(file, "/kind", "is a " + kind + " document", "a plan, a timeline or a result");
  }
  return side;
}

/// The plan with the routing that the run really had.
std::optional<Plan> with_recorded_routing(const Side& a, const Side& b) {
  if (!a.plan || !b.routing || !b.routing->recorded()) return std::nullopt;
  Plan plan = *a.plan;
  plan.routing = *b.routing;
  return plan;
}

std::optional<Timeline> simulated_again(const std::optional<Plan>& recorded, const Side& a, const Side& b) {
  if (!recorded) return std::nullopt;
  Timeline timeline = simulated(*recorded, b.step);
  timeline.plan_hash = a.timeline.plan_hash;
  return timeline;
}

void run(const CompareOptions& o, Session& session) {
  check_outputs({o.report}, {o.a, o.b});
  const Side a = load(o.a);
  Side b = load(o.b);
  take_stage_meetings(a.timeline, b.timeline);
  const std::optional<Plan> rerouted = with_recorded_routing(a, b);
  const std::optional<Timeline> recorded = simulated_again(rerouted, a, b);
  const Timeline& predicted = recorded ? *recorded : a.timeline;
  Comparison comparison = compare(predicted, b.timeline);
  if (recorded) comparison.planned = compare_planned(a.timeline.step_seconds, b.timeline.step_seconds);
  if (b.steps) comparison.disturbance = compare_undisturbed(comparison.predicted_step, *b.steps);
  Json json = write_comparison(comparison);
  if (!b.processors.empty()) json["measured_on"] = b.processors;
  std::string text = comparison_table(comparison);
  if (a.steps && a.steps->disturbance.disturbed()) text = o.a + ": " + sentence_of(a.steps->disturbance) + "\n" + text;
  if (!o.report.empty()) {
    if (!a.plan) throw InputError(o.a, "", "is no plan", "a plan on the left side for --report");
    ReportInput input = report_input(rerouted ? *rerouted : *a.plan, &predicted, &b.timeline, &comparison, b.peaks);
    if (!b.processors.empty()) input.summary.emplace_back("measured on", b.processors);
    write_file(o.report, html_report(input));
  }
  session.print(json, text);
}

}  // namespace

void add_compare(CLI::App& app, Session& session) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* verb = app.add_subcommand("compare", "prediction against measurement, task by task");
  verb->add_option("A", options->a, "prediction: a plan, timeline or result")->required();
  verb->add_option("B", options->b, "measurement: a plan, timeline or result")->required();
  verb->add_option("--report", options->report, "write an HTML report; A must be a plan");
  add_json_option(*verb, session);
  refuse_seed(*verb, "a comparison makes no random choice");
  verb->footer("Example:\n  moesaic compare plan.json result.json --report report.html");
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace moesaic::cli
