#include "cli/questions.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/laboratory.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "core/schema/nearest_name.h"

namespace moesaic::cli {
namespace {

namespace fs = std::filesystem;

Question read_question(const std::string& name) {
  Question question{name, "", 0, nullptr};
  const std::string file = question.file("experiment.json");
  if (!fs::is_regular_file(file)) return question;
  const Json experiment = read_json(file);
  ObjectReader reader = experiments::open_experiment(experiment, file);
  question.asks = reader["question"].text();
  question.takes = reader["takes_seconds"].number(kPositive, 0);
  question.study = experiments::study_of(experiment, file);
  return question;
}

}  // namespace

std::string Question::file(const std::string& of_folder) const {
  return (fs::path(kExperiments) / name / of_folder).string();
}

std::vector<Question> questions() {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(kExperiments, error), end; !error && entry != end; entry.increment(error))
    if (const std::string name = entry->path().filename(); name[0] >= '0' && name[0] <= '9') names.push_back(name);
  std::sort(names.begin(), names.end());
  std::vector<Question> all;
  for (const std::string& name : names) all.push_back(read_question(name));
  return all;
}

Question question_of(const std::string& asked) {
  std::vector<std::string> known;
  for (const Question& question : questions()) {
    if (question.name == asked || question.number() == asked) return question;
    known.push_back(question.name);
  }
  throw InputError(asked, "", "no experiment of this name", "", suggestion(asked, known));
}

}  // namespace moesaic::cli
