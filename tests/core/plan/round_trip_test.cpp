#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/plan/plan_document.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "tests/core/plan/sample_plan.h"

namespace moesaic {
namespace {

/// Through text, as a file would go.
Json reread(const Json& json) { return parse_json(json.dump(), "again"); }

TEST(PlanRoundTrip, PlanWithEveryFieldSet) {
  const Plan plan = testing::sample_plan();
  EXPECT_EQ(read_plan(reread(write_plan(plan)), "again"), plan);
}

TEST(PlanRoundTrip, PlansThatShareTheBatchUnevenly) {
  Plan plan = testing::sample_plan();
  plan.embedding = Embedding::replicated;
  plan.cluster.device_speeds = {1, 1, 0.5, 2};
  plan.layout.tp = 1;
  plan.elastic.sequences_per_rank = {1, 4, 2, 1};
  EXPECT_EQ(read_plan(reread(write_plan(plan)), "again"), plan);
}

// Four tasks on four ranks: one split over two, two merged on one.
TEST(PlanRoundTrip, PlanWithTasks) {
  Plan plan = testing::sample_plan();
  plan.embedding = Embedding::replicated;
  plan.dispatch = {};
  plan.placement.clear();
  plan.layout.tp = plan.layout.expert_slices = 1;
  plan.layout.zero = 0;
  plan.fused_parameter_bytes = 0;
  plan.prefetch = {};
  plan.expert_storage = {};
  plan.model.routed_by_task = true;
  plan.model.top_k = 1;
  plan.workload.tasks = {{"a", 8}, {"b", 4}, {"c", 2}, {"d", 2}};
  plan.elastic.teams = {{{0}, 2}, {{1}, 1}, {{2, 3}, 1}};
  EXPECT_EQ(read_plan(reread(write_plan(plan)), "again"), plan);
}

TEST(PlanRoundTrip, PlanHashesGuardTheEmbeddedDocuments) {
  Json json = write_plan(testing::sample_plan());
  json["documents"]["workload"]["sequence_length"] = 129;
  try {
    read_plan(json, "plan.json");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_EQ(error.pointer(), "/documents/workload");
  }
  json.erase("hashes");
  EXPECT_EQ(read_plan(json, "plan.json").workload.sequence_length, 129);
}

}  // namespace
}  // namespace moesaic
