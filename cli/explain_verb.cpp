// moesaic explain: each decision of a plan, its runners-up and what they would have cost.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/results.h"
#include "cli/verbs.h"
#include "core/plan/predicted.h"

namespace moesaic::cli {
namespace {

/// `chosen`: 0 where the plan has no prediction to compare with.
std::string cost_text(const Alternative& alternative, Seconds chosen) {
  if (!alternative.reason.empty()) return alternative.reason;
  const std::string step = format_seconds(alternative.step_seconds);
  return chosen > 0 ? step + " (" + format_change(alternative.step_seconds / chosen - 1) + ")" : step;
}

/// Fastest first, refused ones last.
std::vector<Alternative> in_order(std::vector<Alternative> alternatives) {
  std::stable_sort(alternatives.begin(), alternatives.end(), [](const Alternative& a, const Alternative& b) {
    if (a.reason.empty() != b.reason.empty()) return a.reason.empty();
    return a.reason.empty() && a.step_seconds < b.step_seconds;
  });
  return alternatives;
}

/// The search begins with layouts whose other decisions are at their first choice; it goes on with the best of them.
const char* note_on(const Decision& decision) {
  return decision.what == "layout" && !decision.runners_up.empty()
             ? "  others as first priced: contiguous placement, flat all-to-all of 1 chunk, no buckets\n"
             : "";
}

void explain_plan(const std::string& file, Session& session) {
  const Plan plan = session.load_plan(file);
  // Runners-up lost against the plan that was searched for: they explain no other one.
  const bool of_another = prediction_belongs(plan) == false;
  const std::string doubt = belonging_text(plan);
  std::string text = "plan for " + plan.name + (plan.interrupted ? ", search interrupted" : "") + ", " +
                     with_commas(plan.evaluations) + (plan.evaluations == 1 ? " plan" : " plans") + " evaluated\n" +
                     aligned(plan_rows(plan, Summary::of_all)) +
                     (of_another || plan.prediction.step_seconds == 0 ? "" : prediction_text(plan, plan.prediction)) +
                     (doubt.empty() ? "" : doubt + "\n") +
                     (of_another ? "its old prediction and runners-up are not shown\n" : "");
  Json decisions = Json::array();
  for (const Decision& decision : of_another ? std::vector<Decision>{} : plan.decisions) {
    text += "\n" + decision.what + ": " + decision.choice + "\n" + note_on(decision);
    Json runners_up = Json::array();
    std::vector<std::pair<std::string, std::string>> rows;
    for (const Alternative& alternative : in_order(decision.runners_up)) {
      rows.emplace_back("instead of " + alternative.choice, cost_text(alternative, plan.prediction.step_seconds));
      runners_up.push_back({{"choice", alternative.choice},
                            {"step_seconds", alternative.reason.empty() ? Json(alternative.step_seconds) : Json()},
                            {"reason", alternative.reason}});
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
  verb->callback([plan, &session] { explain_plan(*plan, session); });
}

}  // namespace moesaic::cli
