#include "experiments/06_does_elastic_training_pay/study.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "core/schema/object_reader.h"
#include "experiments/figures/in_turns.h"
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

ElasticRow row_of(const ElasticScene& scene, const ElasticSetting& setting, const Plan& plan,
                  const Evaluation& evaluation) {
  ElasticRow row;
  row.scene = scene.name;
  row.setting = setting.name;
  row.ranks = setting.ranks;
  row.sequences_per_rank = local_sequences(plan);
  row.feasible = evaluation.feasible;
  row.reason = evaluation.reason;
  if (!evaluation.feasible) return row;
  const Prediction& p = evaluation.prediction;
  row.step_seconds = p.step_seconds;
  row.samples_per_second = static_cast<double>(plan.workload.global_batch) / p.step_seconds;
  row.samples_per_second_and_device = row.samples_per_second / setting.ranks;
  row.exposed_communication_seconds = p.exposed_communication_seconds;
  row.peak_bytes = p.peak_bytes.count("device") > 0 ? p.peak_bytes.at("device") : 0;
  row.price_basis = evaluation.price_basis;
  return row;
}

Plan documents_of(const ElasticScene& scene, const Laboratory& laboratory) {
  Plan documents;
  documents.model = laboratory.model(scene.model);
  documents.cluster = laboratory.cluster(scene.cluster);
  documents.workload = laboratory.workload(scene.workload);
  documents.profile = laboratory.profile(documents.cluster);
  return documents;
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

/// Losses of one rank at full speed that trains everything: [steps].
std::vector<double> losses_of_one_rank(const ElasticScene& scene, const Plan& documents, const Laboratory& laboratory) {
  ElasticScene plain = scene;
  plain.slowdown = 1;
  plain.device_speeds.clear();
  return laboratory.execute(plan_of(plain, {"one rank", 1, "all"}, documents), scene.steps, Way::emulated).losses;
}

ElasticExecution execution_of(const ElasticScene& scene, const Plan& plan, const std::vector<Execution>& rounds,
                              const std::vector<double>& expected) {
  ElasticExecution made;
  made.slowdown = scene.slowdown;
  made.steps = scene.steps;
  for (const Execution& run : rounds) {
    made.rounds_step_seconds.push_back(run.step_seconds);
    made.rounds_lasted_over_due.push_back(run.emulation.lasted / run.emulation.due);
    made.rounds_woke_late_seconds.push_back(run.emulation.woke_late);
    made.loss_difference = std::max(made.loss_difference, difference(run.losses, expected));
  }
  made.step_seconds = median(made.rounds_step_seconds);
  made.samples_per_second = static_cast<double>(plan.workload.global_batch) / made.step_seconds;
  made.samples_per_second_and_device = made.samples_per_second / plan.layout.ranks;
  return made;
}

void run_scene(const ElasticScene& scene, const Laboratory& laboratory, std::vector<ElasticRow>& rows) {
  const Plan documents = documents_of(scene, laboratory);
  std::vector<Plan> plans;
  for (const ElasticSetting& setting : scene.settings) plans.push_back(plan_of(scene, setting, documents));
  const std::vector<Evaluation> evaluations = laboratory.evaluator->evaluate(plans);
  std::vector<double> expected;
  if (scene.rounds > 0) expected = losses_of_one_rank(scene, documents, laboratory);
  const auto execute = [&](size_t i) { return laboratory.execute(plans[i], scene.steps, Way::emulated); };
  int done = 0;
  const int total = scene.rounds * static_cast<int>(plans.size());
  const std::vector<std::vector<Execution>> runs =
      in_turns(plans.size(), scene.rounds, execute, [&] { laboratory.progress(++done, total, "executions"); });
  for (size_t i = 0; i < plans.size(); ++i) {
    rows.push_back(row_of(scene, scene.settings[i], plans[i], evaluations[i]));
    if (scene.rounds > 0) rows.back().executed = execution_of(scene, plans[i], runs[i], expected);
  }
}

}  // namespace

ElasticAxes read_elastic_axes(const Json& json, const std::string& file) {
  ObjectReader reader = open_experiment(json, file);
  ElasticAxes axes;
  axes.name = reader["name"].text();
  axes.scenes = reader["scenes"].objects(read_scene);
  reader.finish();
  return axes;
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

ElasticResult run_elastic_study(const ElasticAxes& axes, const Laboratory& laboratory) {
  ElasticResult result;
  result.name = axes.name;
  for (const ElasticScene& scene : axes.scenes) run_scene(scene, laboratory, result.rows);
  result.summary = result.rows;
  return result;
}

const Study kElasticStudy = typed_study<read_elastic_axes, run_elastic_study, elastic_tables>("elastic");

}  // namespace moesaic::experiments
