#pragma once
// Does elastic training pay? Simulates one step of each setting of each scene: who serves which task, or how a batch
// splits over devices of unequal speed; and executes settings, in turns, where a scene asks for it.

#include "experiments/06_does_elastic_training_pay/result.h"
#include "experiments/laboratory/study.h"

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
  int64_t global_batch = 0;           // 0: as the workload says
  int ep = 0;                         // 0: as many as ranks
  // All devices and links of the scene are this many times slower than the cluster's, so that a few cores can be many
  // devices: simulated and executed alike.
  double slowdown = 1;
  int rounds = 0;  // of executions; 0: the scene is only simulated
  int64_t steps = 0;
  std::vector<ElasticSetting> settings;
};

struct ElasticAxes {
  std::string name;
  std::vector<ElasticScene> scenes;
};
ElasticAxes read_elastic_axes(const Json& json, const std::string& file);

/// The plan of a setting; `documents` are the scene's, as a plan without decisions. Throws InputError where the setting
/// does not fit the scene.
Plan plan_of(const ElasticScene& scene, const ElasticSetting& setting, Plan documents);

/// One row per setting.
ElasticResult run_elastic_study(const ElasticAxes& axes, const Laboratory& laboratory);

/// A table per scene, and another one for what was executed.
std::string elastic_tables(const ElasticResult& result);

extern const Study kElasticStudy;

}  // namespace moesaic::experiments
