#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/schema/documents.h"
#include "core/schema/hardware.h"
#include "tests/core/schema/mutations.h"
#include "tests/core/schema/sample_tables.h"
#include "tests/core/schema/shipped_documents.h"

namespace moesaic {
namespace {

/// A document of any kind but the plan.
void read_document(const std::string& text) {
  const Json json = parse_json(text, "f.json");
  const std::string kind = document_kind(json, "f.json");
  if (kind == "model") count_parameters(read_model(json, "f.json"));
  if (kind == "cluster") read_any_cluster(json, "f.json", {testing::profiles("")});
  if (kind == "hardware") read_hardware(json, "f.json");
  if (kind == "workload") read_workload(json, "f.json");
  if (kind == "routing") read_routing(json, "f.json");
  if (kind == "kernel_tables") read_kernel_tables(json, "f.json");
  if (kind == "profile") read_profile(json, "f.json");
}

TEST(Fuzz, ShippedDocumentsAreReadOrRefused) {
  for (const char* folder : {"models", "clusters", "workloads", "routing", "devices/b200-180g-sxm"}) {
    for (const std::string& path : testing::shipped(folder)) {
      if (path.ends_with("kernel_tables.json")) continue;         // 3 MB: a small one stands for it
      if (path.ends_with("olmoe-16x64-recorded.json")) continue;  // 216 kB: as well
      SCOPED_TRACE(path);
      std::stringstream text;
      text << std::ifstream(path).rdbuf();
      testing::expect_survival(text.str(), fnv1a64(std::filesystem::path(path).filename().string()), read_document);
    }
  }
}

TEST(Fuzz, ShortClustersAreReadOrRefused) {
  const Json cluster = {
      {"kind", "moesaic.cluster/1"}, {"device", "h200-141g-sxm"}, {"nodes", 4}, {"cards", {{"per_node", 4}}}};
  testing::expect_survival(cluster.dump(), 3, read_document);
}

TEST(Fuzz, KernelTablesAreReadOrRefused) {
  testing::expect_survival(write_kernel_tables(testing::sample_tables()), 4, read_document);
}

TEST(Fuzz, RecordedRoutingsAreReadOrRefused) {
  const Json recorded = {{"kind", "moesaic.routing/1"}, {"counts", {{{{1, 2, 3}, {4, 5, 6}}}}}};
  testing::expect_survival(recorded.dump(), 2, read_document);
  testing::expect_survival(R"({"kind":"moesaic.routing/1","choices":{"num_experts":4,"tokens":[[1,1]],)"
                           R"("experts":[[[0,3],[1,2]],[[3,1],[1,-1]]],"scores":[[[1,2],[3,4]],[[5,6],[7,8]]]}})",
                           5, read_document);
}

}  // namespace
}  // namespace moesaic
