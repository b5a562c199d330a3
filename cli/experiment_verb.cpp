// moesaic experiment: lists the questions under experiments/, runs one, or summarizes its result again. Results are
// written beside the question.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/exchange_experiment.h"
#include "cli/launcher.h"
#include "cli/report/picture.h"
#include "cli/results.h"
#include "cli/table_experiment.h"
#include "cli/verbs.h"
#include "core/schema/error.h"
#include "core/timeline/timeline.h"
#include "experiments/01_does_the_simulator_predict_the_executor/study.h"
#include "experiments/01_does_the_simulator_predict_the_executor/summary.h"
#include "experiments/03_which_experts_stay_in_host_memory/study.h"
#include "experiments/06_does_elastic_training_pay/study.h"
#include "experiments/07_what_does_the_embedding_partition_save/study.h"
#include "experiments/08_what_does_2d_prefetch_hide/study.h"
#include "experiments/10_what_does_each_layout_cost/study.h"
#include "simulator/simgrid_evaluator.h"
#include "simulator/simulation.h"

namespace moesaic::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExperiments = MOESAIC_SOURCE_DIR "/experiments";

/// The folders that begin with a number; the others are code.
std::vector<std::string> experiment_names() {
  std::vector<std::string> names;
  if (fs::is_directory(kExperiments))
    for (const auto& entry : fs::directory_iterator(kExperiments))
      if (const std::string name = entry.path().filename(); name[0] >= '0' && name[0] <= '9') names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

/// The folder of a name or of its leading number.
fs::path folder_of(const std::string& name) {
  std::string known;
  for (const std::string& candidate : experiment_names()) {
    if (candidate == name || candidate.substr(0, candidate.find('_')) == name)
      return fs::path(kExperiments) / candidate;
    known += (known.empty() ? "" : ", ") + candidate;
  }
  throw InputError(name, "", "no experiment of this name", known);
}

/// The result document of one execution; `way`: a further option of the executor.
Json execute_plan_with(const std::string& way, const std::string& launcher, const Plan& plan, int64_t steps) {
  const TemporaryFolder folder;
  write_file(folder.file("plan.json"), write_plan(plan).dump());
  LaunchRequest request;
  request.ranks = plan.layout.ranks;
  request.launcher = launcher;
  request.arguments = {"execute",
                       "--plan",
                       folder.file("plan.json"),
                       "--steps",
                       std::to_string(steps),
                       "--result",
                       folder.file("result.json"),
                       way};
  launch(request);
  return read_json(folder.file("result.json"));
}

Json execute_plan(const Plan& plan, int64_t steps) { return execute_plan_with("--pin", "", plan, steps); }

/// As threads, at the speeds of the plan's cluster.
experiments::ElasticRun execute_emulated(const Plan& plan, int64_t steps) {
  const Json result = execute_plan_with("--emulate", "local", plan, steps);
  const Json& kept = result["emulated"];
  return {result["step_seconds"], result["loss"], kept["due_seconds"], kept["lasted_seconds"],
          kept["woke_late_seconds"].get<double>() / std::max<int64_t>(1, kept["slept"])};
}

/// What the router of an execution chose, beginning with the step that its median is.
RoutingDocument routing_of(const Json& result, const Plan& plan) {
  return beginning_at(read_routing(result["routing"], "result", "/routing"), result["timeline_step"],
                      plan.layout.micro_batches);
}

experiments::Execution execute_once(const Plan& plan, int64_t steps) {
  const Json result = execute_plan(plan, steps);
  return {result["step_seconds"], read_routing(result["routing"], "result", "/routing"), result["timeline_step"]};
}

/// Replaces what stands between the README's markers.
void regenerate_readme(const fs::path& file, const std::string& tables) {
  constexpr const char *kBegin = "<!-- result: begin -->\n", *kEnd = "<!-- result: end -->";
  std::ifstream in(file);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const size_t begin = text.find(kBegin), end = text.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos)
    throw InputError(file.string(), "", "has no result markers", kBegin);
  text.replace(begin + std::char_traits<char>::length(kBegin), end - begin - std::char_traits<char>::length(kBegin),
               tables);
  write_file(file.string(), text);
}

/// What a run leaves: the result document, and its tables for the README.
struct Outcome {
  Json result;
  std::string tables;
};

Outcome run_fidelity(const Json& experiment, const std::string& file, Session& session) {
  const experiments::FidelityStudy study = experiments::read_fidelity_study(experiment, file);
  planner::Problem problem =
      session.load_problem(study.model, study.machine, study.workload, study.routing, study.machine);
  problem.seed = study.seed;
  simulator::SimgridEvaluator evaluator(1);
  Progress progress;
  experiments::StudyHooks hooks{&evaluator, execute_once,
                                [&](int done, int total) { progress.update(done, total, "executions"); }};
  const Json result = experiments::run_fidelity_study(study, problem, hooks);
  return {result, experiments::fidelity_tables(result)};
}

Outcome summarize_fidelity(const Json& result, const std::string& file) {
  const Json again = experiments::with_summary_of_rows(result, file);
  return {again, experiments::fidelity_tables(again)};
}

Outcome run_expert_cache(const Json& experiment, const std::string& file, Session& session) {
  const experiments::ExpertCacheStudy study = experiments::read_expert_cache_study(experiment, file);
  Progress progress;
  const experiments::ExpertCacheHooks hooks{[&](const std::string& name) { return session.load_routing(name); },
                                            [&](int done, int total) { progress.update(done, total, "replays"); }};
  const Json result = experiments::run_expert_cache_study(study, hooks);
  return {result, experiments::expert_cache_tables(result)};
}

Outcome run_exchange(const Json& experiment, const std::string& file, Session&) {
  const Json result = run_exchange_experiment(experiments::read_exchange_study(experiment, file));
  return {result, experiments::exchange_tables(result)};
}

Outcome run_elastic(const Json& experiment, const std::string& file, Session& session) {
  const experiments::ElasticStudy study = experiments::read_elastic_study(experiment, file);
  simulator::SimgridEvaluator evaluator(1);
  Progress progress;
  experiments::ElasticHooks hooks;
  hooks.evaluator = &evaluator;
  hooks.execute = execute_emulated;
  hooks.progress = [&](int done, int total) { progress.update(done, total, "executions"); };
  hooks.load = [&](const experiments::ElasticScene& scene) {
    Plan documents;
    documents.model = session.load_model(scene.model);
    documents.cluster = session.load_cluster(scene.cluster);
    documents.workload = session.load_workload(scene.workload);
    documents.profile = session.load_profile("", documents.cluster);
    return documents;
  };
  const Json result = experiments::run_elastic_study(study, hooks);
  return {result, experiments::elastic_tables(result)};
}

Outcome run_training_table(const Json& experiment, const std::string& file, Session& session) {
  const experiments::TableStudy study = experiments::read_table_study(experiment, file);
  const std::string constants = (fs::path(file).parent_path() / "fitted_constants.json").string();
  const Json result = run_table_experiment(study, constants, session);
  return {result, experiments::training_tables(result)};
}

Outcome run_presets_here(const Json& experiment, const std::string& file, Session& session) {
  const Json result =
      run_presets_here_experiment(experiments::read_presets_here(experiment, file), execute_plan, session);
  return {result, experiments::presets_here_tables(result)};
}

Outcome run_prefetch_grid(const Json& experiment, const std::string& file, Session& session) {
  const experiments::GridStudy study = experiments::read_grid_study(experiment, file);
  Progress progress;
  experiments::GridHooks hooks;
  hooks.load = [&](const experiments::GridScenario& scenario) {
    return session.load_problem(scenario.model, scenario.cluster, scenario.workload, scenario.routing,
                                scenario.profile);
  };
  hooks.simulate = [](const Plan& plan) { return simulator::simulate(plan, {true, 0}).timeline; };
  hooks.execute = [](const Plan& plan, int64_t steps) {
    const Json result = execute_plan(plan, steps);
    return experiments::GridRun{read_timeline(result["timeline"], "result"), routing_of(result, plan)};
  };
  hooks.progress = [&](int done, int total) { progress.update(done, total, "executions"); };
  const Json result = experiments::run_grid_study(study, hooks);
  return {result, experiments::grid_tables(result)};
}

Outcome run_embedding(const Json& experiment, const std::string& file, Session& session) {
  const experiments::EmbeddingStudy study = experiments::read_embedding_study(experiment, file);
  simulator::SimgridEvaluator evaluator(1);
  Progress progress;
  experiments::EmbeddingHooks hooks;
  hooks.evaluator = &evaluator;
  hooks.model = [&](const std::string& name) { return session.load_model(name); };
  hooks.cluster = [&](const std::string& name) { return session.load_cluster(name); };
  hooks.profile = [&](const Cluster& cluster) { return session.load_profile("", cluster); };
  hooks.execute = [](const Plan& plan, int64_t steps) -> experiments::EmbeddingRun {
    const Json result = execute_plan(plan, steps);
    return {result["step_seconds"], result["peak_bytes"]["device"]};
  };
  hooks.progress = [&](int done, int total) { progress.update(done, total, "executions"); };
  const Json result = experiments::run_embedding_study(study, hooks);
  return {result, experiments::embedding_tables(result)};
}

Outcome run_layouts(const Json& experiment, const std::string& file, Session& session) {
  const experiments::LayoutStudy study = experiments::read_layout_study(experiment, file);
  simulator::SimgridEvaluator evaluator(1);
  Progress progress;
  experiments::LayoutHooks hooks;
  hooks.evaluator = &evaluator;
  hooks.load = [&](const experiments::LayoutScenario& scenario) {
    return session.load_problem(scenario.model, scenario.cluster, scenario.workload, "", scenario.profile);
  };
  hooks.execute = [](const Plan& plan, int64_t steps) -> experiments::LayoutRun {
    const Json result = execute_plan(plan, steps);
    return {result["step_seconds"], result["exposed_communication_seconds"], result["peak_bytes"]["device"],
            routing_of(result, plan)};
  };
  hooks.progress = [&](int done, int total) { progress.update(done, total, "executions"); };
  const Json result = experiments::run_layout_study(study, hooks);
  return {result, experiments::layout_tables(result)};
}

struct Runner {
  const char* name;  // the experiment's folder
  Outcome (*run)(const Json& experiment, const std::string& file, Session& session);
  /// From a result's rows alone; null where they do not hold what the summary needs.
  Outcome (*summarize)(const Json& result, const std::string& file) = nullptr;
};
constexpr Runner kRunners[] = {
    {"01_does_the_simulator_predict_the_executor", run_fidelity, summarize_fidelity},
    {"02_semoe_training_table", run_training_table},
    {"02b_does_semoe_win_here", run_presets_here},
    {"03_which_experts_stay_in_host_memory", run_expert_cache},
    {"04_when_does_hierarchical_all_to_all_win", run_exchange},
    {"06_does_elastic_training_pay", run_elastic},
    {"07_what_does_the_embedding_partition_save", run_embedding},
    {"08_what_does_2d_prefetch_hide", run_prefetch_grid},
    {"09_does_it_predict_where_states_live", run_fidelity, summarize_fidelity},
    {"10_what_does_each_layout_cost", run_layouts},
};

const Runner* find_runner(const std::string& name) {
  for (const Runner& runner : kRunners)
    if (name == runner.name) return &runner;
  return nullptr;
}

const Runner& runner_of(const std::string& name) {
  if (const Runner* runner = find_runner(name)) return *runner;
  throw InputError(name, "", "is not run by this program", "", "see experiments/" + name + "/README.md");
}

/// Writes the result and what is made of it beside the question.
void publish(const fs::path& folder, const Outcome& outcome, Session& session) {
  write_file((folder / "result.json").string(), outcome.result.dump(1) + "\n");
  if (has_picture(outcome.result))
    write_file((folder / "picture.svg").string(), draw_picture(outcome.result, "result.json").svg);
  regenerate_readme(folder / "README.md", outcome.tables);
  session.print(outcome.result["summary"], outcome.tables);
}

void run(const std::string& name, Session& session) {
  const fs::path folder = folder_of(name);
  const Runner& runner = runner_of(folder.filename());
  const std::string file = (folder / "experiment.json").string();
  publish(folder, runner.run(read_json(file), file, session), session);
}

void summarize(const std::string& name, Session& session) {
  const fs::path folder = folder_of(name);
  const Runner& runner = runner_of(folder.filename());
  if (!runner.summarize) {
    std::string able;
    for (const Runner& other : kRunners)
      if (other.summarize) able += (able.empty() ? "" : ", ") + std::string(other.name);
    throw InputError(name, "", "its result does not hold what its summary is computed from", able,
                     "moesaic experiment run " + name);
  }
  const std::string file = (folder / "result.json").string();
  publish(folder, runner.summarize(read_json(file), file), session);
}

void list(Session& session) {
  std::string text;
  for (const std::string& name : experiment_names())
    text += name + (find_runner(name) ? "\n" : "  (not run by this program: see its README.md)\n");
  session.print(experiment_names(), text);
}

}  // namespace

void add_experiment(CLI::App& app, Session& session) {
  CLI::App* verb =
      app.add_subcommand("experiment", "list the questions under experiments/, run one, or summarize its result again");
  verb->require_subcommand(1);
  CLI::App* list_verb = verb->add_subcommand("list", "names of the experiments");
  add_json_option(*list_verb, session);
  refuse_seed(*list_verb, "a list of names draws nothing");
  list_verb->footer("Example:\n  moesaic experiment list --json");
  list_verb->callback([&session] { list(session); });
  CLI::App* run_verb = verb->add_subcommand("run", "run an experiment and write its result beside it");
  auto name = std::make_shared<std::string>();
  run_verb->add_option("name", *name, "name, or its number")->required();
  add_json_option(*run_verb, session);
  refuse_seed(*run_verb, "the seeds of an experiment stand in its experiment.json; change them there");
  run_verb->footer("Example:\n  moesaic experiment run 03");
  run_verb->callback([name, &session] { run(*name, session); });
  CLI::App* summarize_verb =
      verb->add_subcommand("summarize", "compute the summary of the committed result again from its rows");
  summarize_verb->add_option("name", *name, "name, or its number: 01 or 09")->required();
  add_json_option(*summarize_verb, session);
  refuse_seed(*summarize_verb, "a summary is computed from the committed rows");
  summarize_verb->footer("Example:\n  moesaic experiment summarize 01");
  summarize_verb->callback([name, &session] { summarize(*name, session); });
  verb->footer("Example:\n  moesaic experiment list");
}

}  // namespace moesaic::cli
