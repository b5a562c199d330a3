#pragma once
// Does elastic training pay? Simulates one step of each setting of each scene: who serves which task, or how a batch
// splits over devices of unequal speed. It measures nothing.

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/evaluate/evaluator.h"
#include "core/schema/documents.h"

namespace moesaic::experiments {

/// One way to share ranks out.
struct ElasticSetting {
  std::string name;
  int ranks = 1;
  std::string share;  // tasks: "balanced", "even", "all"; devices: "even", "by_speed"
};

struct ElasticScene {
  std::string name, model, workload, cluster;
  int devices = 0;  // of one node; 0: as the cluster says
  int micro_batches = 1;
  Bytes gradient_bucket_bytes = 0;
  std::vector<double> device_speeds;  // empty: all alike
  std::vector<ElasticSetting> settings;
};

struct ElasticStudy {
  std::string name;
  std::vector<ElasticScene> scenes;
};
ElasticStudy read_elastic_study(const Json& json, const std::string& file);

/// The documents of a scene, as a plan without decisions.
using LoadScene = std::function<Plan(const ElasticScene&)>;

/// The plan of a setting. Throws InputError where the setting does not fit the scene.
Plan plan_of(const ElasticScene& scene, const ElasticSetting& setting, Plan documents);

/// One row per setting.
Json run_elastic_study(const ElasticStudy& study, const LoadScene& load, Evaluator& evaluator);

/// The rows as a table of Markdown per scene, for the experiment's README.
std::string elastic_tables(const Json& result);

}  // namespace moesaic::experiments
