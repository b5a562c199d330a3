#include "experiments/laboratory/published_system.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"

namespace moesaic::experiments {
namespace {

constexpr const char* kProvenances[] = {"secondary", "recalled"};

PublishedTraining read_training(ObjectReader reader) {
  PublishedTraining figure;
  figure.model = reader["model"].text();
  figure.tokens_per_second = reader["tokens_per_second"].number(kPositive);
  figure.memory_bytes = reader["memory_bytes"].bytes({1, int64_t{1} << 50});
  figure.provenance = kProvenances[reader["provenance"].choice(kProvenances)];
  reader.finish();
  return figure;
}

}  // namespace

const PublishedTraining& PublishedSystem::training_of(const std::string& model) const {
  const auto found =
      std::find_if(training.begin(), training.end(), [&](const PublishedTraining& f) { return f.model == model; });
  if (found != training.end()) return *found;
  std::string known;
  for (const PublishedTraining& figure : training) known += (known.empty() ? "" : ", ") + figure.model;
  throw InputError(file, "/training", "has no figure of '" + model + "'", known);
}

PublishedSystem read_published_system(const Json& json, const std::string& file) {
  ObjectReader reader = open_document(json, file, "", "published_system");
  PublishedSystem system;
  system.file = file;
  system.name = reader["name"].text();
  system.preset = reader["preset"].text();
  reader["source"].text();
  system.baseline = reader["baseline"].text("");
  system.training = reader["training"].objects(read_training);
  reader.finish();
  return system;
}

}  // namespace moesaic::experiments
