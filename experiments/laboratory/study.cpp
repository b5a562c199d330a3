#include "experiments/laboratory/study.h"

namespace moesaic::experiments {

ObjectReader open_experiment(const Json& experiment, const std::string& file) {
  ObjectReader reader = open_document(experiment, file, "", "experiment");
  for (const char* key : {"study", "name", "question"}) reader[key].text();
  return reader;
}

}  // namespace moesaic::experiments
