#include "experiments/06_does_elastic_training_pay/study.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "core/schema/object_reader.h"
#include "experiments/figures/statistics.h"
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
  scene.global_batch = reader["global_batch"].integer(kCount, 0);
  scene.ep = static_cast<int>(reader["ep"].integer(kCount, 0));
  if (const Field execution = reader["execution"]; execution.present()) {
    ObjectReader object = execution.object();
    scene.slowdown = object["slowdown"].number({1, 1e6});
    scene.rounds = static_cast<int>(object["rounds"].integer(kCount));
    scene.steps = object["steps"].integer({2, 1 << 20});  // the first one creates the kernels
    object.finish();
  }
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

/// The same work on devices and links that are slower by the scene's factor, which predicts and executes alike.
void slow_down(const ElasticScene& scene, Plan& plan) {
  plan.cluster.device_speeds = scene.device_speeds;
  if (scene.slowdown == 1) return;
  plan.cluster.device_speeds.resize(static_cast<size_t>(plan.cluster.num_devices()), 1);
  for (double& speed : plan.cluster.device_speeds) speed /= scene.slowdown;
  for (Link* link : {&plan.cluster.intra_node, &plan.cluster.nic}) {
    link->bandwidth_bytes_per_s /= scene.slowdown;
    link->latency_s *= scene.slowdown;
    link->message_s *= scene.slowdown;
  }
  for (CollectiveCurve& curve : plan.profile.collectives)
    for (Seconds& seconds : curve.seconds) seconds *= scene.slowdown;
}

/// Largest |loss - expected| / expected over the steps.
double difference(const std::vector<double>& losses, const std::vector<double>& expected) {
  MOESAIC_CHECK(losses.size() == expected.size(), "runs of one scene have as many steps");
  double most = 0;
  for (size_t step = 0; step < losses.size(); ++step)
    most = std::max(most, std::abs(losses[step] - expected[step]) / expected[step]);
  return most;
}

/// The settings in turns, `rounds` times, each against the losses of one rank that trains everything. [plans]
Json execute_in_turns(const ElasticScene& scene, const std::vector<Plan>& plans, const Plan& documents,
                      const ElasticHooks& hooks) {
  ElasticScene plain = scene;
  plain.slowdown = 1;
  plain.device_speeds.clear();
  const std::vector<double> expected =
      hooks.execute(plan_of(plain, {"one rank", 1, "all"}, documents), scene.steps).loss;
  std::vector<std::vector<double>> seconds(plans.size()), stretch(plans.size()), late(plans.size());
  std::vector<double> differences(plans.size(), 0);
  for (int round = 0; round < scene.rounds; ++round)
    for (size_t i = 0; i < plans.size(); ++i) {
      const ElasticRun run = hooks.execute(plans[i], scene.steps);
      seconds[i].push_back(run.step_seconds);
      stretch[i].push_back(run.lasted_seconds / run.due_seconds);
      late[i].push_back(run.woke_late_seconds);
      differences[i] = std::max(differences[i], difference(run.loss, expected));
      hooks.progress(round * static_cast<int>(plans.size()) + static_cast<int>(i) + 1,
                     scene.rounds * static_cast<int>(plans.size()));
    }
  Json all = Json::array();
  for (size_t i = 0; i < plans.size(); ++i) {
    const double rate = static_cast<double>(plans[i].workload.global_batch) / median(seconds[i]);
    all.push_back({{"slowdown", scene.slowdown},
                   {"steps", scene.steps},
                   {"step_seconds", median(seconds[i])},
                   {"samples_per_second", rate},
                   {"samples_per_second_and_device", rate / plans[i].layout.ranks},
                   {"rounds_step_seconds", seconds[i]},
                   {"rounds_lasted_over_due", stretch[i]},
                   {"rounds_woke_late_seconds", late[i]},
                   {"loss_difference", differences[i]}});
  }
  return all;
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
  plan.layout.ranks = setting.ranks;
  plan.layout.ep = scene.ep > 0 ? scene.ep : setting.ranks;
  if (scene.global_batch > 0) plan.workload.global_batch = scene.global_batch;
  plan.layout.micro_batches = scene.micro_batches;
  plan.gradient_bucket_bytes = scene.gradient_bucket_bytes;
  if (scene.devices > 0) plan.cluster.devices_per_node = scene.devices;
  slow_down(scene, plan);
  if (plan.model.routed_by_task)
    plan.elastic.teams =
        teams_of(setting.share, planner::task_batches(plan.workload, scene.micro_batches), setting.ranks);
  else if (setting.share == "by_speed")
    plan.elastic.sequences_per_rank =
        planner::shares_by_speed(plan.workload.global_batch / scene.micro_batches, scene.device_speeds);
  check_plan(plan, "experiment, " + plan.name);
  return plan;
}

Json run_elastic_study(const ElasticStudy& study, const ElasticHooks& hooks) {
  Json rows = Json::array();
  for (const ElasticScene& scene : study.scenes) {
    const Plan documents = hooks.load(scene);
    std::vector<Plan> plans;
    for (const ElasticSetting& setting : scene.settings) plans.push_back(plan_of(scene, setting, documents));
    const std::vector<Evaluation> evaluations = hooks.evaluator->evaluate(plans);
    const Json executed = scene.rounds > 0 ? execute_in_turns(scene, plans, documents, hooks) : Json::array();
    for (size_t i = 0; i < plans.size(); ++i) {
      rows.push_back(row_of(scene, scene.settings[i], plans[i], evaluations[i]));
      if (scene.rounds > 0) rows.back()["executed"] = executed[i];
    }
  }
  return {{"kind", "moesaic.experiment_result/1"}, {"name", study.name}, {"rows", rows}, {"summary", rows}};
}

}  // namespace moesaic::experiments
