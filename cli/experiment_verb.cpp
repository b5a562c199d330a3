// moesaic experiment: lists the questions under experiments/ and runs one. Results are written beside the question.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/exchange_experiment.h"
#include "cli/launcher.h"
#include "cli/results.h"
#include "cli/verbs.h"
#include "core/schema/error.h"
#include "core/timeline/timeline.h"
#include "experiments/fidelity/study.h"
#include "simulator/simgrid_evaluator.h"

namespace moesaic::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExperiments = MOESAIC_SOURCE_DIR "/experiments";

std::vector<std::string> experiment_names() {
  std::vector<std::string> names;
  if (fs::is_directory(kExperiments))
    for (const auto& entry : fs::directory_iterator(kExperiments))
      if (fs::is_regular_file(entry.path() / "experiment.json")) names.push_back(entry.path().filename());
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

experiments::Execution execute_once(const Plan& plan, int64_t steps) {
  const TemporaryFolder folder;
  write_file(folder.file("plan.json"), write_plan(plan).dump());
  LaunchRequest request;
  request.ranks = plan.layout.ranks;
  request.arguments = {"execute",
                       "--plan",
                       folder.file("plan.json"),
                       "--steps",
                       std::to_string(steps),
                       "--result",
                       folder.file("result.json"),
                       "--pin"};
  launch(request);
  const Json result = read_json(folder.file("result.json"));
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

/// Writes the result beside the question and shows it.
void finish(const fs::path& folder, const Json& result, const std::string& tables, Session& session) {
  write_file((folder / "result.json").string(), result.dump(1) + "\n");
  regenerate_readme(folder / "README.md", tables);
  session.print(result["summary"], tables);
}

void run(const std::string& name, Session& session) {
  const fs::path folder = folder_of(name);
  const std::string file = (folder / "experiment.json").string();
  if (folder.filename() == "04_when_does_hierarchical_all_to_all_win") {
    const Json result = run_exchange_experiment(experiments::read_exchange_study(read_json(file), file));
    return finish(folder, result, experiments::exchange_tables(result), session);
  }
  const experiments::FidelityStudy study = experiments::read_fidelity_study(read_json(file), file);
  planner::Problem problem;
  problem.model = session.load_model(study.model);
  problem.cluster = session.load_cluster(study.machine);
  problem.workload = session.load_workload(study.workload);
  problem.routing = session.load_routing(study.routing);
  problem.profile = session.load_profile(study.machine, problem.cluster);
  problem.seed = study.seed;
  simulator::SimgridEvaluator evaluator(1);
  Progress progress;
  experiments::StudyHooks hooks{&evaluator, execute_once,
                                [&](int done, int total) { progress.update(done, total, "executions"); }};
  const Json result = experiments::run_fidelity_study(study, problem, hooks);
  finish(folder, result, experiments::fidelity_tables(result), session);
}

void list(Session& session) {
  std::string text;
  for (const std::string& name : experiment_names()) text += name + "\n";
  session.print(experiment_names(), text);
}

}  // namespace

void add_experiment(CLI::App& app, Session& session) {
  CLI::App* verb = app.add_subcommand("experiment", "list the questions under experiments/, or run one");
  verb->require_subcommand(1);
  CLI::App* list_verb = verb->add_subcommand("list", "names of the experiments");
  add_common_options(*list_verb, session);
  list_verb->callback([&session] { list(session); });
  CLI::App* run_verb = verb->add_subcommand("run", "run an experiment and write its result beside it");
  auto name = std::make_shared<std::string>();
  run_verb->add_option("name", *name, "name, or its number")->required();
  add_common_options(*run_verb, session);
  run_verb->callback([name, &session] { run(*name, session); });
  verb->footer("Example:\n  moesaic experiment list");
}

}  // namespace moesaic::cli
