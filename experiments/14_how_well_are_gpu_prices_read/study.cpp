#include "experiments/14_how_well_are_gpu_prices_read/study.h"

#include <nlohmann/json.hpp>

#include "core/schema/error.h"

namespace moesaic::experiments {

ReadingAxes read_reading_axes(const Json& json, const std::string& file) {
  ObjectReader reader = open_experiment(json, file);
  ReadingAxes axes;
  axes.name = reader["name"].text();
  axes.clusters = reader["clusters"].each([](const Field& cluster) { return cluster.text(); });
  reader.finish();
  return axes;
}

ReadingResult run_reading_study(const ReadingAxes& axes, const Laboratory& laboratory) {
  ReadingResult result;
  result.experiment = axes.name;
  int done = 0;
  for (const std::string& name : axes.clusters) {
    laboratory.progress(done++, static_cast<int>(axes.clusters.size()), name);
    const Cluster cluster = laboratory.cluster(name);
    const Profile profile = laboratory.profile(cluster);
    if (profile.tables.file.empty())
      throw InputError(name, "/device", "has a profile without kernel tables", "a device whose profile has them");
    const std::vector<ReadingErrors> errors = reading_errors(profile, cluster.device, profile.name);
    result.errors.insert(result.errors.end(), errors.begin(), errors.end());
  }
  return result;
}

const Study kReadingStudy = typed_study<read_reading_axes, run_reading_study, reading_tables>("table_readings");

}  // namespace moesaic::experiments
