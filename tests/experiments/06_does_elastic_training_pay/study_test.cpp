#include "experiments/06_does_elastic_training_pay/study.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/error.h"

namespace moesaic::experiments {
namespace {

/// A step lasts as long as the busiest rank has sequences, in milliseconds.
class BusiestRank : public Evaluator {
 public:
  std::vector<Evaluation> evaluate(std::span<const Plan> plans) override {
    std::vector<Evaluation> evaluations;
    for (const Plan& plan : plans) {
      Evaluation& made = evaluations.emplace_back();
      const std::vector<int64_t> sequences = local_sequences(plan);
      for (size_t rank = 0; rank < sequences.size(); ++rank)
        made.prediction.step_seconds =
            std::max(made.prediction.step_seconds,
                     1e-3 * static_cast<double>(sequences[rank]) / plan.cluster.speed_of(static_cast<int>(rank)));
    }
    return evaluations;
  }
};

Plan documents(const std::string& workload) {
  Plan plan;
  plan.model.num_layers = 1;
  plan.model.hidden = plan.model.head_dim = 4;
  plan.model.num_heads = plan.model.num_kv_heads = 1;
  plan.model.num_experts = 4;
  plan.model.top_k = 1;
  plan.model.moe_layers = {true};
  plan.cluster.devices_per_node = 8;
  plan.workload.sequence_length = 2;
  plan.workload.global_batch = 32;
  if (workload == "tasks") {
    plan.model.routed_by_task = true;
    plan.workload.tasks = {{"a", 16}, {"b", 8}, {"c", 4}, {"d", 4}};
  } else {
    plan.model.num_experts = 2;
  }
  return plan;
}

/// A model and a workload of one name.
Laboratory elastic_laboratory(Evaluator& evaluator) {
  Laboratory laboratory;
  laboratory.model = [](const std::string& name) { return documents(name).model; };
  laboratory.cluster = [](const std::string& name) { return documents(name).cluster; };
  laboratory.workload = [](const std::string& name) { return documents(name).workload; };
  laboratory.profile = [](const Cluster&) { return Profile(); };
  laboratory.evaluator = &evaluator;
  return laboratory;
}

ElasticScene scene_of(const std::string& name, const std::string& workload, std::vector<double> speeds,
                      std::vector<ElasticSetting> settings) {
  ElasticScene scene;
  scene.name = name;
  scene.model = scene.workload = workload;
  scene.device_speeds = std::move(speeds);
  scene.settings = std::move(settings);
  return scene;
}

// 32 sequences. 4 ranks wait for 16: 2000 a second, 500 each. 8 balanced ranks for 4: 8000, 1000 each. 8 even ranks for
// 8: 4000, 500 each. Speeds 1 and 0.5: even 16 / 0.5 = 32 ms; 22 and 10 end at 22 and 20 ms.
TEST(ElasticStudy, ComparesPerDevice) {
  ElasticAxes axes{
      "s",
      {scene_of("tasks", "tasks", {}, {{"few", 4, "even"}, {"balanced", 8, "balanced"}, {"even", 8, "even"}}),
       scene_of("mixed", "one", {1, 0.5}, {{"even", 2, "even"}, {"fair", 2, "by_speed"}})}};
  BusiestRank evaluator;
  axes.scenes[1].devices = 2;
  const std::vector<ElasticRow> rows = run_elastic_study(axes, elastic_laboratory(evaluator)).rows;
  std::vector<double> rates;
  for (const ElasticRow& row : rows) rates.push_back(row.samples_per_second_and_device);
  ASSERT_EQ(rates.size(), 5u);
  EXPECT_DOUBLE_EQ(rates[0], 500);
  EXPECT_DOUBLE_EQ(rates[1], 1000);
  EXPECT_DOUBLE_EQ(rates[2], 500);
  EXPECT_DOUBLE_EQ(rates[3], 500);
  EXPECT_DOUBLE_EQ(rates[4], 32 / 22e-3 / 2);
  EXPECT_EQ(rows[1].sequences_per_rank, std::vector<int64_t>(8, 4));
  EXPECT_EQ(rows[4].sequences_per_rank, (std::vector<int64_t>{22, 10}));
}

// Devices a tenth as fast: 16 ms become 160, and links at 1e9 bytes/s of 1e-6 s ones at 1e8 of 1e-5 s.
TEST(ElasticStudy, SlowsDevicesAndLinksDown) {
  ElasticScene scene = scene_of("tasks", "tasks", {}, {});
  scene.slowdown = 10;
  Plan plan = documents("tasks");
  plan.cluster.intra_node = {1e9, 1e-6};
  plan.profile.collectives = {{"all_reduce", 2, false, {8}, {2e-6}}};
  plan = plan_of(scene, {"few", 4, "even"}, plan);
  EXPECT_EQ(plan.cluster.device_speeds, std::vector<double>(8, 0.1));
  EXPECT_DOUBLE_EQ(plan.cluster.intra_node.bandwidth_bytes_per_s, 1e8);
  EXPECT_DOUBLE_EQ(plan.cluster.intra_node.latency_s, 1e-5);
  EXPECT_DOUBLE_EQ(plan.profile.collectives[0].seconds[0], 2e-5);
  BusiestRank evaluator;
  EXPECT_DOUBLE_EQ(evaluator.evaluate({&plan, 1})[0].prediction.step_seconds, 0.16);
}

// Of executions of 3, 1 and 2 s the median counts: 32 / 2 samples/s, 4 a device. One rank's losses are 2 and 1; a
// round's 2 and 1.01 differ by 0.01. Settings take turns.
TEST(ElasticStudy, ExecutesInTurnsAgainstOneRank) {
  ElasticScene scene = scene_of("tasks", "tasks", {}, {{"few", 4, "even"}, {"many", 8, "balanced"}});
  scene.slowdown = 10;
  scene.rounds = 3;
  scene.steps = 2;
  std::vector<int> ranks;
  BusiestRank evaluator;
  Laboratory laboratory = elastic_laboratory(evaluator);
  laboratory.execute = [&](const Plan& plan, int64_t steps, Way way) {
    EXPECT_EQ(steps, 2);
    EXPECT_EQ(way, Way::emulated);
    EXPECT_DOUBLE_EQ(plan.cluster.speed_of(0), plan.layout.ranks == 1 ? 1 : 0.1);
    ranks.push_back(plan.layout.ranks);
    constexpr double kSeconds[] = {0, 3, 3, 1, 1, 2, 2};  // of the first run, and of three rounds
    Execution run;
    run.step_seconds = kSeconds[ranks.size() - 1];
    run.losses = {2, ranks.size() == 5 ? 1.01 : 1};
    run.emulation = {2, 3, 4e-6};
    return run;
  };
  const std::vector<ElasticRow> rows = run_elastic_study({"s", {scene}}, laboratory).rows;
  EXPECT_EQ(ranks, (std::vector<int>{1, 4, 8, 4, 8, 4, 8}));
  const ElasticExecution& executed = rows.at(0).executed.value();
  EXPECT_EQ(executed.rounds_step_seconds, (std::vector<double>{3, 1, 2}));
  EXPECT_DOUBLE_EQ(executed.step_seconds, 2);
  EXPECT_DOUBLE_EQ(executed.samples_per_second, 16);
  EXPECT_DOUBLE_EQ(executed.samples_per_second_and_device, 4);
  EXPECT_DOUBLE_EQ(executed.rounds_lasted_over_due.at(0), 1.5);
  EXPECT_EQ(executed.rounds_woke_late_seconds, std::vector<double>(3, 4e-6));
  EXPECT_DOUBLE_EQ(executed.loss_difference, 0);
  EXPECT_NEAR(rows.at(1).executed->loss_difference, 0.01, 1e-15);
}

// Two tasks of 4 cannot be served by 16 even ranks.
TEST(ElasticStudy, RefusesWhatDoesNotFit) {
  ElasticScene scene = scene_of("tasks", "tasks", {}, {});
  scene.devices = 32;
  EXPECT_THROW(plan_of(scene, {"too many", 32, "even"}, documents("tasks")), InputError);
}

}  // namespace
}  // namespace moesaic::experiments
