#include "experiments/07_what_does_the_embedding_partition_save/study.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/error.h"

namespace moesaic::experiments {
namespace {

Json embedding_experiment() {
  return Json::parse(R"({"kind": "moesaic.experiment/1", "study": "embedding_partition", "name": "07", "question": "?",
    "simulated": {"models": ["wide"], "cluster": "node", "ranks": [4], "sequence_length": 100},
    "executed": {"cluster": "node", "hidden": [8], "ranks": 2, "sequence_length": 10, "rounds": 3, "steps": 5},
    "published": [{"hidden": 16, "memory": "-1 %", "speed": "+2 %", "origin": "recalled"},
                  {"hidden": 16, "memory": "-3 %", "speed": "+4 %", "origin": "secondary"}]})");
}

Model wide() {
  Model model;
  model.name = "wide", model.num_layers = 1, model.hidden = 16, model.num_heads = model.num_kv_heads = 4;
  model.head_dim = 4, model.vocabulary = 256, model.num_experts = 4, model.top_k = 1;
  model.expert_intermediate = model.dense_intermediate = 64, model.moe_layers = {true};
  model.tied_embeddings = false;
  return model;
}

Cluster node() {
  Cluster cluster;
  cluster.name = "node";
  cluster.devices_per_node = 4;
  return cluster;
}

/// 100 bytes and 2 s with a replicated table, 60 bytes and 1.6 s with a partitioned one.
struct EmbeddingEvaluator : Evaluator {
  std::vector<Evaluation> evaluate(std::span<const Plan> plans) override {
    std::vector<Evaluation> evaluations(plans.size());
    for (size_t i = 0; i < plans.size(); ++i) {
      const bool whole = plans[i].embedding == Embedding::replicated;
      evaluations[i].prediction.step_seconds = whole ? 2 : 1.6;
      evaluations[i].prediction.peak_bytes["device"] = whole ? 100 : 60;
    }
    return evaluations;
  }
};

/// Executions take 1, 2, 3, ... seconds in their order and 10 bytes per column.
EmbeddingResult embedding_result() {
  EmbeddingEvaluator evaluator;
  double seconds = 0;
  Laboratory laboratory;
  laboratory.evaluator = &evaluator;
  laboratory.model = [](const std::string&) { return wide(); };
  laboratory.cluster = [](const std::string&) { return node(); };
  laboratory.profile = [](const Cluster&) { return Profile(); };
  laboratory.execute = [&](const Plan& plan, int64_t steps, Way way) {
    EXPECT_EQ(steps, 5);
    EXPECT_EQ(way, Way::pinned);
    Execution run;
    run.step_seconds = seconds += 1;
    run.peak_device_bytes = 10 * plan.model.hidden;
    return run;
  };
  return run_embedding_study(read_embedding_axes(embedding_experiment(), "experiment.json"), laboratory);
}

// 60 / 100 - 1 = -40 %; 2 / 1.6 - 1 = +25 %; 4 ranks with a sequence of 100 tokens each: 400 / 2 and 400 / 1.6
// tokens/s.
TEST(EmbeddingStudy, ComparesBothTablesInTheSimulator) {
  const EmbeddingComparison row = embedding_result().simulated.at(0);
  EXPECT_DOUBLE_EQ(row.memory_change, -0.4);
  EXPECT_DOUBLE_EQ(row.speed_change, 0.25);
  EXPECT_DOUBLE_EQ(row.replicated.tokens_per_second, 200);
  EXPECT_DOUBLE_EQ(row.partitioned.tokens_per_second, 250);
}

// In turns: 1, 3, 5 s replicated, 2, 4, 6 s partitioned, medians 3 and 4: 3 / 4 - 1 = -25 %. The model has 8 columns.
TEST(EmbeddingStudy, ExecutesBothTablesInTurns) {
  const ExecutedComparison row = embedding_result().executed.at(0);
  EXPECT_EQ(row.measured.hidden, 8);
  EXPECT_EQ(row.measured.replicated.peak_bytes, 80);
  EXPECT_DOUBLE_EQ(row.measured.speed_change, -0.25);
  EXPECT_DOUBLE_EQ(row.predicted.speed_change, 0.25);
}

TEST(EmbeddingStudy, ShowsWhatIsPublishedWithItsOrigin) {
  const std::string tables = embedding_tables(embedding_result());
  EXPECT_NE(tables.find("| 16 | 4 | 0.00 | 0.00 | -40.0 % | 200 | 250 | +25.0 % | -1 % [recalled]; -3 % [secondary] | "
                        "+2 % [recalled]; +4 % [secondary] |\n"),
            std::string::npos)
      << tables;
}

TEST(EmbeddingStudy, NeedsAModel) {
  Json json = embedding_experiment();
  json["simulated"]["models"] = Json::array();
  EXPECT_THROW(read_embedding_axes(json, "experiment.json"), InputError);
}

}  // namespace
}  // namespace moesaic::experiments
