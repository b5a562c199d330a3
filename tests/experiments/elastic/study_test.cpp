#include "experiments/elastic/study.h"

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

Plan documents(const ElasticScene& scene) {
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
  if (scene.workload == "tasks") {
    plan.model.routed_by_task = true;
    plan.workload.tasks = {{"a", 16}, {"b", 8}, {"c", 4}, {"d", 4}};
  } else {
    plan.model.num_experts = 2;
  }
  return plan;
}

// 32 sequences. 4 ranks wait for 16: 2000 a second, 500 each. 8 balanced ranks for 4: 8000, 1000 each. 8 even ranks for
// 8: 4000, 500 each. Speeds 1 and 0.5: even 16 / 0.5 = 32 ms; 22 and 10 end at 22 and 20 ms.
TEST(ElasticStudy, ComparesPerDevice) {
  const ElasticStudy study{
      "s",
      {{"tasks", "", "tasks", "", 0, 1, 0, {}, {{"few", 4, "even"}, {"balanced", 8, "balanced"}, {"even", 8, "even"}}},
       {"mixed", "", "one", "", 0, 1, 0, {1, 0.5, 1, 1, 1, 1, 1, 1}, {{"even", 2, "even"}, {"fair", 2, "by_speed"}}}}};
  BusiestRank evaluator;
  ElasticStudy mixed = study;
  mixed.scenes[1].device_speeds = {1, 0.5};
  mixed.scenes[1].devices = 2;
  const Json rows = run_elastic_study(mixed, documents, evaluator)["rows"];
  std::vector<double> rates;
  for (const Json& row : rows) rates.push_back(row["samples_per_second_and_device"]);
  ASSERT_EQ(rates.size(), 5u);
  EXPECT_DOUBLE_EQ(rates[0], 500);
  EXPECT_DOUBLE_EQ(rates[1], 1000);
  EXPECT_DOUBLE_EQ(rates[2], 500);
  EXPECT_DOUBLE_EQ(rates[3], 500);
  EXPECT_DOUBLE_EQ(rates[4], 32 / 22e-3 / 2);
  EXPECT_EQ(rows[1]["sequences_per_rank"], Json({4, 4, 4, 4, 4, 4, 4, 4}));
  EXPECT_EQ(rows[4]["sequences_per_rank"], Json({22, 10}));
}

// Two tasks of 4 cannot be served by 16 even ranks.
TEST(ElasticStudy, RefusesWhatDoesNotFit) {
  const ElasticScene scene{"tasks", "", "tasks", "", 32, 1, 0, {}, {}};
  EXPECT_THROW(plan_of(scene, {"too many", 32, "even"}, documents(scene)), InputError);
}

}  // namespace
}  // namespace moesaic::experiments
