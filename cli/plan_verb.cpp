// moesaic plan: documents -> plan.
#include <CLI/CLI.hpp>
#include <chrono>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/assumed_prices.h"
#include "cli/interruptible_evaluator.h"
#include "cli/options/numbers.h"
#include "cli/results.h"
#include "cli/verbs.h"
#include "cli/what_if.h"
#include "core/plan/plan_document.h"
#include "core/schema/error.h"
#include "planner/bounds/publish_bounds.h"
#include "planner/make_plan.h"
#include "planner/placement/idle_experts.h"
#include "planner/problem/preset.h"

namespace moesaic::cli {
namespace {

struct PlanOptions {
  std::string model, cluster, workload, routing, profile, preset, objective = "time", output;
  int ranks = 0, workers = 2;
  int64_t effort = 60;
  Seconds budget_s = std::numeric_limits<Seconds>::infinity();
  std::vector<std::string> edits;
};

std::string devices_text(int devices) { return with_commas(devices) + (devices == 1 ? " device" : " devices"); }

planner::Problem problem_of(const PlanOptions& o, const Session& session) {
  planner::Problem problem = session.load_problem(o.model, o.cluster, o.workload, o.routing, o.profile);
  Json preset = {{"kind", "moesaic.preset/1"}, {"name", ""}};
  std::string file = "--set, decisions";
  if (!o.preset.empty()) {
    file = session.preset_path(o.preset);
    preset = read_json(file);
    problem.fixed = planner::read_preset(preset, file);
  }
  problem.files.preset = o.preset.empty() && o.edits.empty() ? "" : file;
  if (o.ranks > problem.cluster.num_devices())
    throw InputError("--ranks " + std::to_string(o.ranks), "",
                     problem.files.cluster + " has " + devices_text(problem.cluster.num_devices()),
                     "at most one rank per device");
  if (!o.edits.empty()) edit_problem(problem, std::move(preset), file, o.edits);
  problem.ranks = o.ranks;
  problem.effort = o.effort;
  problem.seed = session.seed;
  return problem;
}

/// "3 of 41 candidates priced, none fits; --effort 41 decides it".
std::string nothing_found_text(const planner::PlanResult& result, const PlanOptions& o) {
  const auto counted = [](int64_t n) { return std::to_string(n) + (n == 1 ? " candidate" : " candidates"); };
  const bool by_effort = result.needed_effort > 0;
  std::string text = "nothing found within " +
                     (by_effort ? "--effort " + std::to_string(o.effort) : "--budget " + format_seconds(o.budget_s));
  text += result.evaluations == 0 ? ": nothing was priced" : ": " + counted(result.evaluations) + " priced, none fits";
  if (by_effort) text += "; --effort " + std::to_string(result.needed_effort) + " decides it";
  if (!by_effort)
    text += result.promising.empty() ? "; give it more time"
                                     : "; " + result.promising + " should fit: give it the time to be priced";
  return text;
}

/// The keys of --json about a search that found nothing: every reason, and why layouts are out of the question, told
/// together.
Json refusals_json(const planner::PlanResult& result, std::vector<std::string> reasons) {
  for (const planner::RefusedLayout& refused : result.refused)
    reasons.push_back(refused.layout + ": " + refused.refusal.reason);
  return {{"reasons", reasons}, {"grouped_reasons", planner::grouped(result.refused)}};
}

std::string refusals_text(const planner::PlanResult& result) {
  std::string text;
  for (const std::string& line : planner::grouped(result.refused)) text += "  " + line + "\n";
  return text;
}

void report_nothing_found(const planner::PlanResult& result, const PlanOptions& o, Session& session) {
  const std::string sentence = nothing_found_text(result, o);
  Json json = {{"feasible", nullptr}, {"found", false}, {"evaluations", result.evaluations}};
  json.update(refusals_json(result, {sentence}));
  if (result.needed_effort > 0) json["needed_effort"] = result.needed_effort;
  session.print(json, sentence + "\n" + refusals_text(result));
  session.exit_code = kNothingFound;
}

std::string ended_early(const Plan& plan, const PlanOptions& o) {
  if (!plan.interrupted) return "";
  return (interrupted() ? " (interrupted" : " (--budget " + format_seconds(o.budget_s) + " ended the search") +
         std::string(": the best so far)");
}

/// What keeps the nearest layout out stands in a document, and what was fixed need not be.
std::vector<std::string> remedies(const planner::PlanResult& result, const planner::Problem& problem,
                                  const PlanOptions& o) {
  std::vector<std::string> lines;
  if (const planner::RefusedLayout* nearest = planner::nearest_to_fit(result.refused)) {
    const bool on_device = nearest->refusal.where == "on the device";
    lines.push_back(problem.files.cluster + (on_device ? " /device/memory_bytes" : " /nodes/host_memory_bytes") +
                    " is too small: the nearest layout needs at least " +
                    format_bytes(static_cast<double>(nearest->refusal.needs)) + " of " +
                    format_bytes(static_cast<double>(nearest->refusal.has)));
  }
  if (!o.preset.empty()) lines.push_back(problem.files.preset + " fixes decisions: plan without --preset");
  const int devices = problem.cluster.num_devices();
  if (o.ranks > 0 && o.ranks < devices)
    lines.push_back("--ranks " + std::to_string(o.ranks) + " uses " + std::to_string(o.ranks) + " of " +
                    devices_text(devices) + " of the cluster: leave it out to use all");
  return lines;
}

void report_infeasible(const planner::PlanResult& result, const planner::Problem& problem, const PlanOptions& o,
                       Session& session) {
  std::string text = "infeasible: no layout fits\n" + refusals_text(result);
  const std::vector<std::string> lines = remedies(result, problem, o);
  for (const std::string& line : lines) text += line + "\n";
  Json json = {{"feasible", false}};
  json.update(refusals_json(result, {}));
  json["remedies"] = lines;
  session.print(json, text);
  session.exit_code = kInfeasible;
}

void run(const PlanOptions& o, Session& session) {
  const auto start = std::chrono::steady_clock::now();
  check_outputs({o.output}, {o.model, o.cluster, o.workload, o.routing, o.profile, o.preset});
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  planner::Problem problem = problem_of(o, session);
  if (const std::string idle = planner::idle_experts_remark(problem.routing); !idle.empty())
    Session::say("warning: " + idle);
  problem.stop = [&] { return interrupted() || elapsed() > o.budget_s; };
  InterruptibleEvaluator evaluator(o.workers, problem.stop);
  auto progress = std::make_unique<Progress>();
  problem.progress = [&](int64_t done, int64_t effort, double best) {
    progress->update(static_cast<double>(done), static_cast<double>(effort),
                     "plans evaluated, best step " + format_seconds(best));
  };
  planner::PlanResult result = planner::make_plan(problem, evaluator);
  progress.reset();
  if (!result.feasible && interrupted()) throw DeviceError("interrupted before any plan was priced; none is written");
  if (!result.feasible && !result.complete) return report_nothing_found(result, o, session);
  if (!result.feasible) return report_infeasible(result, problem, o, session);
  planner::publish_bounds(problem, result.plan);
  write_file(o.output, write_plan(result.plan).dump(1) + "\n");
  Json json = prediction_json(result.plan, result.plan.prediction);
  json["feasible"] = true;
  json["evaluations"] = result.plan.evaluations;
  json["interrupted"] = result.plan.interrupted;
  json["wall_seconds"] = elapsed();
  const std::vector<Assumption> assumptions = assumptions_of(result.plan.profile, result.plan.cluster,
                                                             result.plan.workload.phase, result.evaluation.price_basis);
  json["assumptions"] = assumptions_json(assumptions);
  session.print(json, "plan for " + result.plan.name + " -> " + o.output + ended_early(result.plan, o) + "\n" +
                          aligned(plan_rows(result.plan)) + prediction_text(result.plan, result.plan.prediction) +
                          assumptions_text(assumptions));
  if (interrupted()) session.exit_code = kInterrupted;
}

}  // namespace

void add_plan(CLI::App& app, Session& session) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* verb = app.add_subcommand("plan", "find the fastest plan that fits, priced by SimGrid");
  verb->add_option("--model", options->model, "model document or name, for example gpt-moe-tiny")->required();
  verb->add_option("--cluster", options->cluster, "cluster document, name, or the folder that `moesaic profile` wrote")
      ->required();
  verb->add_option("--workload", options->workload, "workload document or name")->required();
  verb->add_option("--routing", options->routing,
                   "routing document or name, or the result of an earlier `moesaic execute`; default: uniform");
  verb->add_option("--profile", options->profile,
                   "profile document, name, or folder; default: the one in the cluster's folder, else the shipped one "
                   "of the device");
  verb->add_flag(
      "--allow-other-device", session.allow_other_device,
      "take a --profile that was measured on another device than the cluster's; every price is then assumed");
  verb->add_option(
      "--preset", options->preset,
      "decisions of a published system (semoe, deepspeed_moe, megatron, deepseek_v3), or a file with yours; "
      "planner/problem/README.md lists its keys");
  verb->add_option("--set", options->edits,
                   "plan for other documents, KEY=VALUE or KEY*=FACTOR, or fix a decision, for example "
                   "workload.sequence_length=2048 or layout.ep=4; may be repeated")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  verb->add_option("--objective", options->objective, "what to minimise; only `time` is built")
      ->check(CLI::Validator(
          [](const std::string& objective) {
            return objective == "time" ? std::string()
                                       : objective + " is not built: time is; cost and energy are not built yet";
          },
          "time"))
      ->default_str("time");
  verb->add_option("--ranks", options->ranks, "ranks to use; 0, the default: every device")
      ->check(CLI::Range(0, 1 << 20));
  verb->add_option("--effort", options->effort, "plans to evaluate at most")
      ->check(CLI::Range(int64_t{1}, int64_t{1000000000}))
      ->default_str("60");
  add_duration(*verb, "--budget", options->budget_s, "stop early after this time, for example 30s");
  verb->add_option("--workers", options->workers, "simulator processes; they change the time, not the plan")
      ->check(CLI::Range(1, 256))
      ->default_str("2");
  verb->add_option("-o,--output", options->output, "where the plan goes")->required();
  add_common_options(*verb, session);
  verb->footer("Example:\n  moesaic plan --model gpt-moe-tiny --cluster cpu-2core --workload cpu-demo -o plan.json");
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace moesaic::cli
