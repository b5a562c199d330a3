#include "core/plan/predicted.h"
#include "core/plan/plan_document.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/core/plan/sample_plan.h"

namespace moesaic {
namespace {

Plan predicted_plan() {
  Plan plan = testing::sample_plan();
  set_prediction(plan, plan.prediction);
  return plan;
}

std::optional<bool> belongs(const Json& document) { return prediction_belongs(read_plan(document, "plan.json")); }

TEST(Predicted, APlanThatWasWrittenAndReadKeepsItsPrediction) {
  const Plan plan = predicted_plan();
  EXPECT_EQ(plan.prediction.made_for.size(), 16u);
  EXPECT_EQ(prediction_belongs(plan), true);
  EXPECT_EQ(read_plan(parse_json(write_plan(plan).dump(), "again"), "again"), plan);
}

TEST(Predicted, EveryDecisionAndDocumentCounts) {
  const Json document = write_plan(predicted_plan());
  const std::pair<const char*, Json> edits[] = {
      {"/layout/micro_batches", 4},
      {"/dispatch/chunks", 2},
      {"/gradient_bucket_bytes", "2 MB"},
      {"/fused_parameter_bytes", 0},
      {"/prefetch/dense", 0},
      {"/expert_storage/decay", 0.5},
      {"/placement/0/slot_to_expert", {1, 0, 2, 3, 7, 6, 5, 4}},
      {"/documents/model/auxiliary_coefficient", 0.5},
      {"/documents/cluster/links/nic/latency_s", 1e-3},
      {"/documents/workload/sequence_length", 64},
      {"/documents/routing/generator/seed", 8u},
      {"/documents/profile/task_overhead_s", 1e-3},
  };
  for (const auto& [pointer, value] : edits) {
    SCOPED_TRACE(pointer);
    Json edited = document;
    edited.erase("hashes");
    ASSERT_TRUE(edited.contains(Json::json_pointer(pointer)));
    EXPECT_EQ(belongs(edited), true);
    edited[Json::json_pointer(pointer)] = value;
    EXPECT_EQ(belongs(edited), false);
  }
}

// 2^20 bytes are 1.048576 MB and 1 MiB.
TEST(Predicted, HowItIsWrittenDoesNotCount) {
  const Json document = write_plan(predicted_plan());
  const nlohmann::json sorted = document;
  EXPECT_EQ(belongs(parse_json(sorted.dump(7), "plan.json")), true);
  for (const char* spelling : {"1 MiB", "1.048576 MB"}) {
    Json respelt = document;
    respelt["gradient_bucket_bytes"] = spelling;
    EXPECT_EQ(belongs(respelt), true) << spelling;
  }
}

TEST(Predicted, NamesAndOutcomesDoNotCount) {
  Plan plan = predicted_plan();
  plan.name = "another", plan.seed = 10, plan.evaluations = 1, plan.interrupted = false, plan.decisions.clear();
  EXPECT_EQ(prediction_belongs(plan), true);
}

// As of a version that knew fewer keys: the file vouches for itself, and still does after an edit of its spelling only.
TEST(Predicted, FilesThatLackLaterKeysKeepTheirPrediction) {
  Plan plan = predicted_plan();
  plan.embedding = Embedding::replicated;
  Json earlier = write_plan(plan);
  earlier.erase("embedding");
  earlier["prediction"]["made_for"] = predicted_hash(earlier);
  const Plan read = read_plan(earlier, "plan.json");
  EXPECT_EQ(prediction_belongs(read), true);
  EXPECT_EQ(belongs(write_plan(read)), true);
  earlier["gradient_bucket_bytes"] = 0;
  EXPECT_EQ(belongs(earlier), false);
}

TEST(Predicted, PlansWithoutTheKeyDoNotSay) {
  Json document = write_plan(predicted_plan());
  document["prediction"].erase("made_for");
  EXPECT_EQ(belongs(document), std::nullopt);
  document.erase("prediction");
  EXPECT_EQ(belongs(document), std::nullopt);
}

}  // namespace
}  // namespace moesaic
