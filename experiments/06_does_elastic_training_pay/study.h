#pragma once
// Does elastic training pay? Simulates one step of each setting of each scene: who serves which task, or how a batch
// splits over devices of unequal speed; and executes settings, in turns, where a scene asks for it. How a plan is
// executed is the caller's.

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
  int64_t global_batch = 0;           // 0: as the workload says
  int ep = 0;                         // 0: as many as ranks
  // All devices and links of the scene are this many times slower than the cluster's, so that a few cores can be many
  // devices: simulated and executed alike.
  double slowdown = 1;
  int rounds = 0;  // of executions; 0: the scene is only simulated
  int64_t steps = 0;
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

/// What one execution of a plan, at its cluster's speeds, has found.
struct ElasticRun {
  Seconds step_seconds = 0;
  std::vector<double> loss;                     // [steps]
  Seconds due_seconds = 1, lasted_seconds = 1;  // what the operators of rank 0 should have lasted, and what they did
  Seconds woke_late_seconds = 0;                // mean of its sleeps, before the next operator made up for it
};

struct ElasticHooks {
  LoadScene load;
  Evaluator* evaluator = nullptr;
  std::function<ElasticRun(const Plan&, int64_t steps)> execute;
  std::function<void(int done, int total)> progress = [](int, int) {};
};

/// One row per setting.
Json run_elastic_study(const ElasticStudy& study, const ElasticHooks& hooks);

/// The rows as a table of Markdown per scene, and another one for what was executed, for the experiment's README.
std::string elastic_tables(const Json& result);

}  // namespace moesaic::experiments
