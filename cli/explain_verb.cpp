// moesaic explain: each decision of a plan, its runners-up and what they would have cost.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/results.h"
#include "cli/verbs.h"
#include "core/schema/predicted.h"

namespace moesaic::cli {
namespace {

std::string cost_text(const Alternative& alternative, Seconds chosen) {
  if (!alternative.reason.empty()) return alternative.reason;
  return format_seconds(alternative.step_seconds) + " (" + percent(alternative.step_seconds / chosen - 1) + ")";
}

void run(const std::string& file, Session& session) {
  const Plan plan = session.load_plan(file);
  // Runners-up lost against the plan that was searched for: they explain no other one.
  const bool of_another = prediction_belongs(plan) == false;
  const std::string doubt = belonging_text(plan);
  std::string text = "plan for " + plan.name + (plan.interrupted ? ", search interrupted" : "") + ", " +
                     with_commas(plan.evaluations) + " plans evaluated\n" + aligned(plan_rows(plan)) +
                     (of_another ? "" : prediction_text(plan.prediction)) + (doubt.empty() ? "" : doubt + "\n") +
                     (of_another ? "so neither that nor the runners-up of its decisions are shown\n" : "");
  Json decisions = Json::array();
  for (const Decision& decision : of_another ? std::vector<Decision>{} : plan.decisions) {
    text += "\n" + decision.what + ": " + decision.choice + "\n";
    Json runners_up = Json::array();
    std::vector<std::pair<std::string, std::string>> rows;
    for (const Alternative& alternative : decision.runners_up) {
      rows.emplace_back("instead of " + alternative.choice, cost_text(alternative, plan.prediction.step_seconds));
      runners_up.push_back(
          {{"choice", alternative.choice}, {"step_seconds", alternative.step_seconds}, {"reason", alternative.reason}});
    }
    text += aligned(rows);
    decisions.push_back({{"what", decision.what}, {"choice", decision.choice}, {"runners_up", runners_up}});
  }
  Json json = carried_prediction_json(plan);
  json["decisions"] = decisions;
  session.print(json, text);
}

}  // namespace

void add_explain(CLI::App& app, Session& session) {
  auto plan = std::make_shared<std::string>();
  CLI::App* verb = app.add_subcommand("explain", "why a plan is as it is");
  verb->add_option("plan", *plan, "plan document")->required();
  add_json_option(*verb, session);
  refuse_seed(*verb, "an explanation makes no random choice");
  verb->footer("Example:\n  moesaic explain plan.json");
  verb->callback([plan, &session] { run(*plan, session); });
}

}  // namespace moesaic::cli
