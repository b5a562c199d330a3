#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "tests/core/schema/sample_plan.h"
#include "tests/core/schema/shipped_documents.h"

namespace moesaic {
namespace {

/// Through text, as a file would go.
Json reread(const Json& json) { return parse_json(json.dump(), "again"); }

template <typename Read, typename Write>
void expect_round_trip(const std::string& folder, size_t at_least, Read read, Write write) {
  const std::vector<std::string> paths = testing::shipped(folder);
  ASSERT_GE(paths.size(), at_least);
  for (const std::string& path : paths) {
    SCOPED_TRACE(path);
    const auto document = read(read_json(path), path, "");
    EXPECT_EQ(read(reread(write(document)), "again", ""), document);
    EXPECT_EQ(document.name, std::filesystem::path(path).stem().string());
  }
}

TEST(RoundTrip, EveryShippedModel) { expect_round_trip("models", 14, read_model, write_model); }
TEST(RoundTrip, EveryShippedCluster) { expect_round_trip("clusters", 7, read_cluster, write_cluster); }
TEST(RoundTrip, EveryShippedWorkload) { expect_round_trip("workloads", 8, read_workload, write_workload); }
TEST(RoundTrip, EveryShippedRouting) { expect_round_trip("routing", 3, read_routing, write_routing); }

TEST(RoundTrip, Profile) {
  const Profile profile = testing::sample_plan().profile;
  EXPECT_EQ(read_profile(reread(write_profile(profile)), "again"), profile);
}

TEST(RoundTrip, RecordedRouting) {
  RoutingDocument routing;
  routing.name = "recorded";
  routing.counts = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  routing.num_iterations = 1, routing.num_moe_layers = 2, routing.num_sources = 3, routing.num_experts = 2;
  EXPECT_EQ(write_routing(routing)["counts"].dump(), "[[[[1,2],[3,4],[5,6]],[[7,8],[9,10],[11,12]]]]");
  EXPECT_EQ(read_routing(reread(write_routing(routing)), "again"), routing);
}

TEST(RoundTrip, PlanWithEveryFieldSet) {
  const Plan plan = testing::sample_plan();
  EXPECT_EQ(read_plan(reread(write_plan(plan)), "again"), plan);
}

TEST(RoundTrip, PlansThatShareTheBatchUnevenly) {
  Plan plan = testing::sample_plan();
  plan.embedding = Embedding::replicated;
  plan.cluster.device_speeds = {1, 1, 0.5, 2};
  plan.layout.tp = 1;
  plan.elastic.sequences_per_rank = {1, 4, 2, 1};
  EXPECT_EQ(read_plan(reread(write_plan(plan)), "again"), plan);
}

// Four tasks on four ranks: one split over two, two merged on one.
TEST(RoundTrip, PlanWithTasks) {
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

TEST(RoundTrip, PlanHashesGuardTheEmbeddedDocuments) {
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

TEST(RoundTrip, HashDoesNotDependOnTheOrderOfKeys) {
  EXPECT_EQ(document_hash(parse_json(R"({"a":1,"b":2})", "f")), document_hash(parse_json(R"({"b":2,"a":1})", "f")));
  EXPECT_NE(document_hash(parse_json(R"({"a":1,"b":2})", "f")), document_hash(parse_json(R"({"a":1,"b":3})", "f")));
  EXPECT_EQ(document_hash(parse_json("[]", "f")).size(), 16u);
}

}  // namespace
}  // namespace moesaic
