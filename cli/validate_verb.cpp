// moesaic validate: reads documents strictly and says what they hold.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/documents_asked.h"
#include "cli/results.h"
#include "cli/verbs.h"
#include "core/plan/plan_document.h"
#include "core/schema/error.h"
#include "core/timeline/disturbance.h"
#include "core/timeline/timeline.h"
#include "planner/problem/preset.h"

namespace moesaic::cli {
namespace {

struct Finding {
  Json json;
  std::string text;
};

Finding model_finding(const Json& document, const std::string& file) {
  const Model model = read_model(document, file);
  const ParameterCount count = count_parameters(model);
  Json json = {{"name", model.name},
               {"family", model.family},
               {"parameters", count.total()},
               {"parameters_dense", count.dense},
               {"parameters_sparse", count.sparse}};
  if (count.uncounted > 0) json["parameters_uncounted"] = count.uncounted;
  return {json, with_commas(count.total()) + " parameters: " + with_commas(count.dense) + " dense, " +
                    with_commas(count.sparse) + " in experts" +
                    (count.uncounted > 0 ? " (and " + with_commas(count.uncounted) +
                                               " of router and norms, which the paper does not count)"
                                         : "")};
}

Finding plan_finding(const Json& document, const std::string& file) {
  const Plan plan = read_plan(document, file);
  const std::string doubt = belonging_text(plan);
  return {carried_prediction_json(plan), plan.name + ", " + std::to_string(plan.layout.ranks) +
                                             (plan.layout.ranks > 1 ? " ranks" : " rank") +
                                             (doubt.empty() ? "" : "; " + doubt)};
}

Finding finding_of(const std::string& kind, const Json& document, const std::string& file) {
  if (kind == "model") return model_finding(document, file);
  if (kind == "plan") return plan_finding(document, file);
  if (kind == "cluster") {
    const Cluster cluster = read_cluster(document, file);
    return {{{"devices", cluster.num_devices()}},
            with_commas(cluster.num_nodes) + (cluster.num_nodes > 1 ? " nodes of " : " node of ") +
                with_commas(cluster.devices_per_node) + " " + cluster.device.name};
  }
  if (kind == "workload") {
    const Workload workload = read_workload(document, file);
    return {{{"tokens_per_step", workload.tokens_per_step()}},
            with_commas(workload.tokens_per_step()) + " tokens per step"};
  }
  if (kind == "routing") return {{{"recorded", read_routing(document, file).recorded()}}, "fine"};
  if (kind == "profile") {
    const Profile profile = read_profile(document, file);
    return {{{"operators", profile.operators.size()}, {"collectives", profile.collectives.size()}},
            std::to_string(profile.operators.size()) + " operator curves and " +
                std::to_string(profile.collectives.size()) + " collective curves of " + profile.device};
  }
  if (kind == "timeline") return {{{"tasks", read_timeline(document, file).rows.size()}}, "fine"};
  if (kind == "preset") return {{{"preset", planner::read_preset(document, file).preset}}, "fine"};
  if (kind == "result" && document.contains("timeline") && document.contains("routing")) {
    read_routing(document["routing"], file, "/routing");
    read_measured_steps(document, file);
    processors_of(document, file);
    return {{{"tasks", read_timeline(document["timeline"], file).rows.size()}}, "fine"};
  }
  throw InputError(file, "/kind", "no reader for " + kind + " documents",
                   "model, cluster, workload, routing, profile, plan, timeline, preset, or a result with its timeline");
}

Finding checked(const std::string& file) {
  const Json document = read_json(file);
  const std::string kind =
      document.is_object() && document.value("kind", Json()).is_string() && document["kind"] == "moesaic.preset/1"
          ? "preset"
          : document_kind(document, file);
  Finding finding = finding_of(kind, document, file);
  finding.json["file"] = file;
  finding.json["kind"] = kind;
  finding.text = file + ": " + kind + ", " + finding.text + "\n";
  return finding;
}

/// A bad document is said and hides no other one.
void run(const std::vector<std::string>& words, Session& session) {
  Json found = Json::array();
  std::string text;
  const auto or_its_fault = [&](const std::string& what, const auto& read) {
    try {
      read();
    } catch (const InputError& error) {
      Session::say(error.what());
      session.exit_code = kBadInput;
      found.push_back({{"file", what}, {"error", error.what()}});
    }
  };
  const auto check = [&](const std::string& file) {
    or_its_fault(file, [&] {
      Finding finding = checked(file);
      text += finding.text;
      found.push_back(std::move(finding.json));
    });
  };
  for (const std::string& word : words)
    or_its_fault(word, [&] { std::ranges::for_each(documents_asked(word, session), check); });
  session.print(found.size() == 1 ? found[0] : found, text);
}

}  // namespace

void add_validate(CLI::App& app, Session& session) {
  auto files = std::make_shared<std::vector<std::string>>();
  CLI::App* verb = app.add_subcommand("validate", "read documents strictly and say what they hold");
  verb->add_option("files", *files, "documents, names of shipped ones, or folders such as `moesaic profile` writes")
      ->required();
  add_json_option(*verb, session);
  refuse_seed(*verb, "a check makes no random choice");
  verb->footer("Example:\n  moesaic validate mixtral-8x7b");
  verb->callback([files, &session] { run(*files, session); });
}

}  // namespace moesaic::cli
