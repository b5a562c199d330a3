// moesaic simulate: what a plan's step would take, with what-if edits, a trace and a report.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/assumed_prices.h"
#include "cli/difference.h"
#include "cli/interruptible_evaluator.h"
#include "cli/report/html_report.h"
#include "cli/report_input.h"
#include "cli/results.h"
#include "cli/trace_file.h"
#include "cli/verbs.h"
#include "cli/what_if.h"
#include "core/plan/plan_document.h"
#include "core/plan/predicted.h"
#include "core/schema/error.h"
#include "core/schema/whole_percents.h"
#include "core/technique/lower.h"

namespace moesaic::cli {
namespace {

struct SimulateOptions {
  const CLI::Option* seed = nullptr;
  std::string plan, report, timeline;
  TraceOptions trace;
  std::vector<std::string> edits;
  std::string engine = name_of(simulator::EngineKind::simgrid);
};

/// The plan with its routing drawn by --seed.
Plan with_seed(Plan plan, uint64_t seed, const std::string& file) {
  RoutingDocument& routing = plan.routing;
  const std::string remedy = "leave --seed out, or plan with a routing whose generator draws";
  if (routing.recorded())
    throw InputError(file, "/documents/routing", "was recorded and is not drawn; --seed changes nothing", "", remedy);
  if (routing.generator.zipf_exponent == 0 && !routing.generator.sampled && routing.generator.drift.sigma == 0)
    throw InputError(file, "/documents/routing", "is uniform and not drawn; --seed changes nothing", "", remedy);
  routing.generator.seed = seed;
  return plan;
}

/// Of the plan as it was before its edits: what it predicts itself, which is SimGrid's, where that is still its own and
/// wanted, else simulated.
Evaluation of_unedited(const Plan& plan, const simulator::SimulationOptions& options) {
  if (prediction_belongs(plan) != true || options.engine != simulator::EngineKind::simgrid)
    return simulate_interruptibly(plan, {false, 0, options.engine}).evaluation;
  Evaluation evaluation;
  evaluation.prediction = plan.prediction;
  return evaluation;
}

Json result_json(const Plan& plan, const simulator::SimulationResult& result, const std::string& engine) {
  const Evaluation& e = result.evaluation;
  Json json = prediction_json(plan, e.prediction);
  json["feasible"] = e.feasible;
  if (!e.feasible) json["reason"] = e.reason;
  json["engine"] = engine;
  json["activities"] = e.activities;
  json["wall_seconds"] = e.wall_seconds;
  json["price_basis"] = e.price_basis;
  json["assumptions"] =
      assumptions_json(assumptions_of(plan.profile, plan.cluster, plan.workload.phase, e.price_basis));
  if (!result.timeline.memory.empty())
    json["memory"] =
        write_memory(result.timeline, tier_memories(lower(plan), plan.cluster, rank_of_peak(result.timeline)));
  return json;
}

std::string basis_text(const Evaluation& e) {
  std::vector<int64_t> tasks;
  for (const auto& basis : e.price_basis) tasks.push_back(basis.second);
  const std::vector<int> percents = whole_percents(tasks);
  std::string text;
  size_t i = 0;
  for (const auto& [basis, of_it] : e.price_basis)
    if (const int share = percents[i++]; share > 0)
      text += (text.empty() ? "" : ", ") + basis + " " + std::to_string(share) + " %";
  return text.empty() ? "none" : text + " of the tasks";
}

void run(const SimulateOptions& o, Session& session) {
  check_outputs({o.trace.file, o.report, o.timeline}, {o.plan});
  const Plan loaded = session.load_plan(o.plan);
  Plan plan = with_edits(loaded, o.edits);
  if (o.seed->count() > 0) plan = with_seed(std::move(plan), session.seed, o.plan);
  traced_ranks(o.trace, plan);
  const bool changed = !o.edits.empty() || o.seed->count() > 0;
  const bool timeline = !o.trace.file.empty() || !o.report.empty() || !o.timeline.empty();
  simulator::SimulationOptions options;
  options.timeline = timeline;
  options.engine = simulator::engine_named(o.engine);
  simulator::SimulationResult result = simulate_interruptibly(plan, options);
  const Evaluation& e = result.evaluation;
  if (timeline && e.feasible) {
    result.timeline.plan_hash = document_hash(write_plan(plan));
    if (!o.timeline.empty()) write_file(o.timeline, write_timeline(result.timeline).dump() + "\n");
    write_trace(o.trace, result.timeline, plan, options.step);
    if (!o.report.empty()) write_file(o.report, html_report(report_input(plan, &result.timeline, nullptr, nullptr)));
  }
  if (!e.feasible) session.exit_code = kInfeasible;
  Json json = result_json(plan, result, o.engine);
  std::string difference;
  if (changed) {
    const Evaluation before = of_unedited(loaded, options);
    add_difference(loaded, before, e, json);
    difference = difference_text(before, e);
  }
  if (!e.feasible) return session.print(json, "infeasible: " + e.reason + "\n" + difference);
  const std::string text =
      "simulated " + plan.name + "\n" + prediction_text(plan, e.prediction) +
      aligned({{"prices", basis_text(e)},
               {"activities", with_commas(e.activities)},
               {"simulated in", format_seconds(e.wall_seconds) + ", by " + o.engine}}) +
      assumptions_text(assumptions_of(plan.profile, plan.cluster, plan.workload.phase, e.price_basis));
  session.print(json, text + difference);
}

}  // namespace

void add_simulate(CLI::App& app, Session& session) {
  auto options = std::make_shared<SimulateOptions>();
  CLI::App* verb = app.add_subcommand("simulate", "time a plan's step in SimGrid or our own fluid model");
  verb->add_option("plan", options->plan, "plan document")->required();
  verb->add_option("--set", options->edits, "what-if edit, KEY=VALUE or KEY*=FACTOR; may be repeated")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  add_trace_options(*verb, options->trace, "write a Chrome trace (opens in Perfetto)");
  verb->add_option("--report", options->report, "write an HTML report");
  verb->add_option("--timeline", options->timeline, "write the timeline document, for `moesaic compare`");
  verb->add_option("--engine", options->engine,
                   "who keeps time: simgrid, the referee, or fluid, our own model, faster; steps alike within 1e-5")
      ->check(CLI::IsMember({name_of(simulator::EngineKind::simgrid), name_of(simulator::EngineKind::fluid)}));
  add_common_options(*verb, session);
  options->seed = verb->get_option("--seed")->description("draw a generated routing with this seed; default: its own");
  verb->footer(
      "Example:\n  moesaic simulate plan.json --set 'links.intra_node.bandwidth_bytes_per_s*=2' --trace trace.json");
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace moesaic::cli
