#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "tests/core/schema/sample_documents.h"
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

TEST(RoundTrip, WorkloadWithACache) {
  Workload workload = testing::sample_workload();
  workload.phase = WorkloadPhase::decode;
  EXPECT_FALSE(write_workload(workload).contains("kv_cache_dtype"));
  workload.kv_cache_dtype = DType::fp8;
  EXPECT_EQ(read_workload(reread(write_workload(workload)), "again"), workload);
}

TEST(RoundTrip, Profile) {
  Profile profile = testing::sample_profile();
  EXPECT_EQ(read_profile(reread(write_profile(profile)), "again"), profile);
  EXPECT_FALSE(write_profile(profile).contains("kernel_tables"));
  profile.tables = {"devices/gpu/kernel_tables.json", "0123456789abcdef"};
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

TEST(RoundTrip, HashDoesNotDependOnTheOrderOfKeys) {
  EXPECT_EQ(document_hash(parse_json(R"({"a":1,"b":2})", "f")), document_hash(parse_json(R"({"b":2,"a":1})", "f")));
  EXPECT_NE(document_hash(parse_json(R"({"a":1,"b":2})", "f")), document_hash(parse_json(R"({"a":1,"b":3})", "f")));
  EXPECT_EQ(document_hash(parse_json("[]", "f")).size(), 16u);
}

}  // namespace
}  // namespace moesaic
