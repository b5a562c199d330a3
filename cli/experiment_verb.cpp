// moesaic experiment: lists the questions under experiments/, runs one, or summarizes its result again. Results are
// written beside the question.
#include <CLI/CLI.hpp>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

#include "cli/laboratory.h"
#include "cli/questions.h"
#include "cli/report/picture.h"
#include "cli/verbs.h"
#include "core/plan/plan_document.h"
#include "core/schema/error.h"
#include "core/schema/formatted.h"
#include "simulator/simgrid_evaluator.h"

namespace moesaic::cli {
namespace {

using experiments::Study;

/// A question that a study of this program answers.
Question answerable(const std::string& asked) {
  Question question = question_of(asked);
  if (question.study == nullptr)
    throw InputError(question.name, "", "is not run by this program", "",
                     "see experiments/" + question.name + "/README.md");
  return question;
}

/// A README around what stands between its markers.
struct Readme {
  std::string before, behind;
};

Readme open_readme(const std::string& file) {
  constexpr std::string_view kBegin = "<!-- result: begin -->\n", kEnd = "<!-- result: end -->";
  std::ifstream in(file);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const size_t begin = text.find(kBegin), end = text.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos)
    throw InputError(file, "", "has no result markers", "<!-- result: begin --> and <!-- result: end -->",
                     "add these two lines where the tables belong");
  return {text.substr(0, begin + kBegin.size()), text.substr(end)};
}

/// Writes the result and what is made of it beside the question.
void publish(const Question& question, Json result, Session& session) {
  const Study& study = *question.study;
  const Readme readme = open_readme(question.file("README.md"));
  const std::string tables = study.tables(result, question.file("result.json"));
  if (study.own_document && result.contains(study.own_document)) {
    write_file(question.file(std::string(study.own_document) + ".json"), result[study.own_document].dump(1) + "\n");
    result.erase(study.own_document);
  }
  write_file(question.file("result.json"), result.dump(1) + "\n");
  if (has_picture(result)) write_file(question.file("picture.svg"), draw_picture(result, "result.json").svg);
  write_file(question.file("README.md"), readme.before + tables + readme.behind);
  session.print(result["summary"], tables);
}

Json result_of(const Question& question, const Session& session) {
  const std::string file = question.file("experiment.json");
  simulator::SimgridEvaluator evaluator(2);
  Progress progress;
  return question.study->run(read_json(file), file, laboratory_of(session, evaluator, progress));
}

void run_question(const std::string& name, Session& session) {
  const Question question = answerable(name);
  open_readme(question.file("README.md"));  // before minutes of measuring
  publish(question, result_of(question, session), session);
}

void summarize(const std::string& name, Session& session) {
  const Question question = answerable(name);
  if (!question.study->summarize) {
    std::string able;
    for (const Question& other : questions())
      if (other.study != nullptr && other.study->summarize) able += (able.empty() ? "" : ", ") + other.name;
    throw InputError(name, "", "its result does not hold what its summary is computed from", able,
                     "moesaic experiment run " + name);
  }
  const std::string file = question.file("result.json");
  publish(question, question.study->summarize(read_json(file), file), session);
}

/// "About 4 min": a figure that is measured once and varies.
std::string about(Seconds takes) {
  constexpr Seconds kMinutesFrom = 90;
  return "About " + (takes < kMinutesFrom ? formatted("%.0f s", takes) : formatted("%.2g min", takes / 60));
}

std::string line_of(const Question& question) {
  std::string line = question.name + ": " + question.asks;
  if (question.takes > 0) line += " " + about(question.takes) + ".";
  if (question.study == nullptr) line += " Not run by this program: see its README.md.";
  return line + "\n";
}

void list(Session& session) {
  std::string text;
  Json names = Json::array();
  for (const Question& question : questions()) {
    text += line_of(question);
    names.push_back(question.name);
  }
  session.print(names, text);
}

}  // namespace

void add_experiment(CLI::App& app, Session& session) {
  CLI::App* verb =
      app.add_subcommand("experiment", "list the questions under experiments/, run one, or summarize its result again");
  verb->require_subcommand(1);
  CLI::App* list_verb =
      verb->add_subcommand("list", "names of the experiments, what each asks and how long its answer takes");
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
  run_verb->callback([name, &session] { run_question(*name, session); });
  CLI::App* summarize_verb =
      verb->add_subcommand("summarize", "compute the summary of the committed result again from its rows");
  summarize_verb->add_option("name", *name, "name, or its number: 01, 09, 15, 16 or 17")->required();
  add_json_option(*summarize_verb, session);
  refuse_seed(*summarize_verb, "a summary is computed from the committed rows");
  summarize_verb->footer("Example:\n  moesaic experiment summarize 01");
  summarize_verb->callback([name, &session] { summarize(*name, session); });
  verb->footer("Example:\n  moesaic experiment list");
}

}  // namespace moesaic::cli
