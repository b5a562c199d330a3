// moesaic simulate: what a plan's step would take, with what-if edits, a trace and a report.
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/interruptible_evaluator.h"
#include "cli/report/html_report.h"
#include "cli/report_input.h"
#include "cli/results.h"
#include "cli/verbs.h"
#include "cli/what_if.h"
#include "core/format/chrome_trace.h"
#include "core/technique/lower.h"

namespace moesaic::cli {
namespace {

struct SimulateOptions {
  std::string plan, trace, report, timeline;
  std::vector<std::string> edits;
};

Json result_json(const Plan& plan, const simulator::SimulationResult& result) {
  const Evaluation& e = result.evaluation;
  Json json = prediction_json(e.prediction);
  json["feasible"] = e.feasible;
  if (!e.feasible) json["reason"] = e.reason;
  json["activities"] = e.activities;
  json["wall_seconds"] = e.wall_seconds;
  json["price_basis"] = e.price_basis;
  if (!result.timeline.memory.empty())
    json["memory"] =
        write_memory(result.timeline, tier_memories(lower(plan), plan.cluster, rank_of_peak(result.timeline)));
  return json;
}

std::string basis_text(const Evaluation& e) {
  int64_t total = 0;
  for (const auto& [basis, tasks] : e.price_basis) total += tasks;
  std::string text;
  for (const auto& [basis, tasks] : e.price_basis)
    if (tasks > 0)
      text +=
          (text.empty() ? "" : ", ") + basis + " " + std::to_string(100 * tasks / std::max<int64_t>(total, 1)) + " %";
  return text;
}

void run(const SimulateOptions& o, Session& session) {
  for (const std::string& output : {o.trace, o.report, o.timeline}) check_output(output);
  const Plan plan = with_edits(session.load_plan(o.plan), o.edits);
  const bool timeline = !o.trace.empty() || !o.report.empty() || !o.timeline.empty();
  simulator::SimulationOptions options;
  options.timeline = timeline;
  simulator::SimulationResult result = simulate_interruptibly(plan, options);
  const Evaluation& e = result.evaluation;
  if (timeline && e.feasible) {
    result.timeline.plan_hash = document_hash(write_plan(plan));
    if (!o.timeline.empty()) write_file(o.timeline, write_timeline(result.timeline).dump() + "\n");
    if (!o.trace.empty()) write_file(o.trace, chrome_trace(result.timeline));
    if (!o.report.empty()) write_file(o.report, html_report(report_input(plan, &result.timeline, nullptr, nullptr)));
  }
  if (!e.feasible) session.exit_code = kInfeasible;
  session.print(result_json(plan, result), e.feasible
                                               ? "simulated " + plan.name + "\n" + prediction_text(e.prediction) +
                                                     aligned({{"prices", basis_text(e)},
                                                              {"activities", with_commas(e.activities)},
                                                              {"simulated in", format_seconds(e.wall_seconds)}})
                                               : "infeasible: " + e.reason + "\n");
}

}  // namespace

void add_simulate(CLI::App& app, Session& session) {
  auto options = std::make_shared<SimulateOptions>();
  CLI::App* verb = app.add_subcommand("simulate", "time a plan's step in SimGrid");
  verb->add_option("plan", options->plan, "plan document")->required();
  verb->add_option("--set", options->edits, "what-if edit, KEY=VALUE or KEY*=FACTOR; may be repeated")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  verb->add_option("--trace", options->trace, "write a Chrome trace (opens in Perfetto)");
  verb->add_option("--report", options->report, "write an HTML report");
  verb->add_option("--timeline", options->timeline, "write the timeline document, for `moesaic compare`");
  add_common_options(*verb, session);
  verb->footer(
      "Example:\n  moesaic simulate plan.json --set 'links.intra_node.bandwidth_bytes_per_s*=2' --trace trace.json");
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace moesaic::cli
