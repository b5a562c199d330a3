#include "experiments/elastic/study.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "core/schema/object_reader.h"
#include "planner/elastic/teams.h"
#include "planner/layout/enumerate.h"

namespace moesaic::experiments {
namespace {

constexpr const char* kShares[] = {"balanced", "even", "all", "by_speed"};

ElasticScene read_scene(ObjectReader reader) {
  ElasticScene scene;
  scene.name = reader["name"].text();
  scene.model = reader["model"].text();
  scene.workload = reader["workload"].text();
  scene.cluster = reader["cluster"].text();
  scene.devices = static_cast<int>(reader["devices"].integer({0, 1 << 16}, 0));
  scene.micro_batches = static_cast<int>(reader["micro_batches"].integer(kCount, 1));
  scene.gradient_bucket_bytes = reader["gradient_bucket_bytes"].bytes(kBytesRange, 0);
  if (const Field speeds = reader["device_speeds"]; speeds.present())
    for (size_t i = 0; i < speeds.size(); ++i) scene.device_speeds.push_back(speeds[i].number(kPositive));
  const Field settings = reader["settings"];
  for (size_t i = 0; i < settings.size(); ++i) {
    ObjectReader setting = settings[i].object();
    scene.settings.push_back({setting["name"].text(), static_cast<int>(setting["ranks"].integer(kCount)),
                              kShares[setting["share"].choice(kShares)]});
    setting.finish();
  }
  reader.finish();
  return scene;
}

std::vector<Team> teams_of(const std::string& share, const std::vector<int64_t>& batches, int ranks) {
  if (share == "even") return planner::even_teams(batches, ranks);
  if (share == "all") return planner::one_team(batches, ranks);
  return planner::balanced_teams(batches, ranks);
}

Json row_of(const ElasticScene& scene, const ElasticSetting& setting, const Plan& plan, const Evaluation& evaluation) {
  const std::vector<int64_t> sequences = local_sequences(plan);
  Json row = {{"scene", scene.name},
              {"setting", setting.name},
              {"ranks", setting.ranks},
              {"sequences_per_rank", sequences},
              {"feasible", evaluation.feasible},
              {"reason", evaluation.reason}};
  if (!evaluation.feasible) return row;
  const Prediction& p = evaluation.prediction;
  const double rate = static_cast<double>(plan.workload.global_batch) / p.step_seconds;
  row["step_seconds"] = p.step_seconds;
  row["samples_per_second"] = rate;
  row["samples_per_second_and_device"] = rate / setting.ranks;
  row["exposed_communication_seconds"] = p.exposed_communication_seconds;
  row["peak_bytes"] = p.peak_bytes.count("device") > 0 ? p.peak_bytes.at("device") : 0;
  row["price_basis"] = evaluation.price_basis;
  return row;
}

std::string text(const char* format, auto... values) {
  char buffer[512];
  std::snprintf(buffer, sizeof buffer, format, values...);
  return buffer;
}

/// [16, 16, 8] as "2 x 16, 1 x 8".
std::string in_runs(const Json& numbers) {
  std::string list;
  for (size_t begin = 0, end = 0; begin < numbers.size(); begin = end) {
    while (end < numbers.size() && numbers[end] == numbers[begin]) ++end;
    list += (list.empty() ? "" : ", ") + std::to_string(end - begin) + " x " + numbers[begin].dump();
  }
  return list;
}

}  // namespace

ElasticStudy read_elastic_study(const Json& json, const std::string& file) {
  ObjectReader reader = open_document(json, file, "", "experiment");
  ElasticStudy study;
  study.name = reader["name"].text();
  reader["question"].text();
  const Field scenes = reader["scenes"];
  for (size_t i = 0; i < scenes.size(); ++i) study.scenes.push_back(read_scene(scenes[i].object()));
  reader.finish();
  return study;
}

Plan plan_of(const ElasticScene& scene, const ElasticSetting& setting, Plan plan) {
  plan.name = scene.name + ", " + setting.name;
  plan.layout.ranks = plan.layout.ep = setting.ranks;
  plan.layout.micro_batches = scene.micro_batches;
  plan.gradient_bucket_bytes = scene.gradient_bucket_bytes;
  if (scene.devices > 0) plan.cluster.devices_per_node = scene.devices;
  plan.cluster.device_speeds = scene.device_speeds;
  if (plan.model.routed_by_task)
    plan.elastic.teams =
        teams_of(setting.share, planner::task_batches(plan.workload, scene.micro_batches), setting.ranks);
  else if (setting.share == "by_speed")
    plan.elastic.sequences_per_rank =
        planner::shares_by_speed(plan.workload.global_batch / scene.micro_batches, scene.device_speeds);
  check_plan(plan, "experiment, " + plan.name);
  return plan;
}

Json run_elastic_study(const ElasticStudy& study, const LoadScene& load, Evaluator& evaluator) {
  Json rows = Json::array();
  for (const ElasticScene& scene : study.scenes) {
    const Plan documents = load(scene);
    std::vector<Plan> plans;
    for (const ElasticSetting& setting : scene.settings) plans.push_back(plan_of(scene, setting, documents));
    const std::vector<Evaluation> evaluations = evaluator.evaluate(plans);
    for (size_t i = 0; i < plans.size(); ++i)
      rows.push_back(row_of(scene, scene.settings[i], plans[i], evaluations[i]));
  }
  return {{"kind", "moesaic.experiment_result/1"}, {"name", study.name}, {"rows", rows}, {"summary", rows}};
}

std::string elastic_tables(const Json& result) {
  std::string tables, scene;
  double first_rate = 0;
  for (const Json& row : result["rows"]) {
    if (row["scene"] != scene) {
      scene = row["scene"];
      first_rate = 0;
      tables += (tables.empty() ? "" : "\n") + ("**" + scene + "**\n\n") +
                "| setting | ranks x sequences of a microbatch | step ms | samples/s | samples/s and device | against "
                "the first | exposed communication ms | peak GB |\n|---|---|---|---|---|---|---|---|\n";
    }
    const std::string name = row["setting"].get<std::string>() + " | " + in_runs(row["sequences_per_rank"]);
    if (!row["feasible"]) {
      tables += "| " + name + " | " + row["reason"].get<std::string>() + " | | | | | |\n";
      continue;
    }
    const double rate = row["samples_per_second_and_device"];
    if (first_rate == 0) first_rate = rate;
    tables += text("| %s | %.2f | %.1f | %.1f | %+.1f %% | %.2f | %.2f |\n", name.c_str(),
                   1e3 * row["step_seconds"].get<double>(), row["samples_per_second"].get<double>(), rate,
                   100 * (rate / first_rate - 1), 1e3 * row["exposed_communication_seconds"].get<double>(),
                   1e-9 * row["peak_bytes"].get<double>());
  }
  return tables;
}

}  // namespace moesaic::experiments
