#include "experiments/laboratory/study.h"

namespace moesaic::experiments {

ObjectReader open_experiment(const Json& experiment, const std::string& file) {
  ObjectReader reader = open_document(experiment, file, "", "experiment");
  reader["study"].text("");
  for (const char* key : {"name", "question"}) reader[key].text();
  reader["takes_seconds"].number(kPositive, 0);
  return reader;
}

}  // namespace moesaic::experiments
