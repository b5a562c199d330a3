// moesaic validate: reads documents strictly and says what they hold.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/documents_asked.h"
#include "cli/measured_run.h"
#include "cli/questions.h"
#include "cli/results.h"
#include "cli/verbs.h"
#include "core/plan/plan_document.h"
#include "core/schema/error.h"
#include "core/schema/hardware.h"
#include "core/schema/nearest_name.h"
#include "core/timeline/timeline.h"
#include "experiments/laboratory/published_system.h"
#include "planner/problem/preset.h"

namespace moesaic::cli {
namespace {

struct Finding {
  Json json;
  std::string text;
};

std::string listed(const std::string& what, const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? what : "; ") + part;
  return text;
}

Finding model_finding(const Json& document, const std::string& file) {
  const Model model = read_model(document, file);
  const ParameterCount count = count_parameters(model);
  Json json = {{"name", model.name},
               {"family", model.family},
               {"parameters", count.total()},
               {"parameters_dense", count.dense},
               {"parameters_sparse", count.sparse},
               {"parameters_active", active_parameters(model) - count.uncounted},
               {"weight_bytes", weight_bytes(model)},
               {"cached_elements_per_token", model.num_attention_layers() * model.cached_elements()},
               {"left_out", model.left_out}};
  if (count.uncounted > 0) json["parameters_uncounted"] = count.uncounted;
  if (model.recurrent)
    json["state_elements_per_sequence"] =
        (model.num_layers - model.num_attention_layers()) * model.recurrent->state_elements;
  if (!model.uncomputed.empty()) json["uncomputed"] = model.uncomputed;
  return {json, with_commas(count.total()) + " parameters: " + with_commas(count.dense) + " dense, " +
                    with_commas(count.sparse) + " in experts" +
                    (count.uncounted > 0 ? " (and " + with_commas(count.uncounted) +
                                               " of router and norms, which the paper does not count)"
                                         : "") +
                    listed("; left out: ", model.left_out)};
}

Finding plan_finding(const Json& document, const std::string& file) {
  const Plan plan = read_plan(document, file);
  const std::string doubt = belonging_text(plan);
  return {carried_prediction_json(plan), plan.name + ", " + std::to_string(plan.layout.ranks) +
                                             (plan.layout.ranks > 1 ? " ranks" : " rank") +
                                             (doubt.empty() ? "" : "; " + doubt)};
}

Finding experiment_finding(const Json& document, const std::string& file) {
  const std::string question = experiments::open_experiment(document, file)["question"].text();
  const experiments::Study* study = experiments::study_of(document, file);
  if (study != nullptr) study->check(document, file);
  return {{{"question", question}}, question};
}

/// Of an execution, or of an experiment.
Finding result_finding(const Json& document, const std::string& file) {
  ObjectReader result(document, file, "");
  const Field experiment = result["experiment"];
  if (!experiment.present()) return {{{"tasks", read_measured_run(document, file).timeline.rows.size()}}, "fine"};
  const std::string name = experiment.text();
  std::vector<std::string> readable;
  for (const Question& question : questions()) {
    if (question.study == nullptr) continue;
    readable.push_back(question.name);
    if (question.name != name) continue;
    question.study->tables(document, file);
    return {{{"experiment", name}}, name};
  }
  experiment.refuse("is no experiment that a study of this program reads", "", suggestion(name, readable));
}

Finding finding_of(const std::string& kind, const Json& document, const std::string& file, const Session& session) {
  if (kind == "model") return model_finding(document, file);
  if (kind == "plan") return plan_finding(document, file);
  if (kind == "cluster") {
    const Cluster cluster = read_any_cluster(document, file, session.document_roots());
    return {{{"devices", cluster.num_devices()}},
            with_commas(cluster.num_nodes) + (cluster.num_nodes > 1 ? " nodes of " : " node of ") +
                with_commas(cluster.devices_per_node) + " " + cluster.device.name};
  }
  if (kind == "hardware") {
    const Hardware hardware = read_hardware(document, file);
    return {{{"name", hardware.name}, {"devices", hardware.node.devices_per_node}},
            "nodes of " + with_commas(hardware.node.devices_per_node) + " " + hardware.node.device.name};
  }
  if (kind == "workload") {
    const Workload workload = read_workload(document, file);
    return {{{"tokens_per_step", workload.tokens_per_step()}},
            with_commas(workload.tokens_per_step()) + " tokens per step"};
  }
  if (kind == "routing") {
    const RoutingDocument routing = read_routing(document, file);
    const std::string form = name_of(form_of(routing));
    return {{{"recorded", routing.recorded()}, {"form", form}}, routing.recorded() ? form : "fine"};
  }
  if (kind == "kernel_tables") {
    const KernelTables tables = read_kernel_tables(document, file);
    return {{{"kernels", tables.kernels.size()}, {"experts", tables.experts.size()}},
            std::to_string(tables.kernels.size()) + " kernels and " + std::to_string(tables.experts.size()) +
                " shapes of experts of " + tables.device};
  }
  if (kind == "profile") {
    const Profile profile = read_profile(document, file);
    if (!profile.tables.file.empty()) static_cast<void>(kernel_tables(profile.tables));
    return {{{"operators", profile.operators.size()}, {"collectives", profile.collectives.size()}},
            std::to_string(profile.operators.size()) + " operator curves and " +
                std::to_string(profile.collectives.size()) + " collective curves of " + profile.device};
  }
  if (kind == "timeline") return {{{"tasks", read_timeline(document, file).rows.size()}}, "fine"};
  if (kind == "preset") return {{{"preset", planner::read_preset(document, file).preset}}, "fine"};
  if (kind == "experiment") return experiment_finding(document, file);
  if (kind == "published_system") {
    const experiments::PublishedSystem system = experiments::read_published_system(document, file);
    return {{{"rows", system.training.size()}}, std::to_string(system.training.size()) + " published rows of training"};
  }
  return result_finding(document, file);
}

Finding checked(const std::string& file, const Session& session) {
  const Json document = read_json(file);
  const std::string kind = document_kind(document, file);
  Finding finding = finding_of(kind, document, file, session);
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
      Finding finding = checked(file, session);
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
