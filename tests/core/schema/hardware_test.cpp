#include "core/schema/hardware.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "tests/core/schema/shipped_documents.h"

namespace moesaic {
namespace {

const std::vector<std::string> kRoots = {testing::profiles("")};

Cluster short_cluster(const std::string& members) {
  return read_short_cluster(Json::parse(R"({"kind": "moesaic.cluster/1", )" + members + "}"), "c.json", kRoots);
}

std::string cluster_refusal(const std::string& members) {
  try {
    short_cluster(members);
  } catch (const InputError& error) {
    return error.what();
  }
  return "none";
}

TEST(Hardware, EveryDescriptionIsReadUnderTheNameOfItsFolder) {
  const std::vector<std::string> names = hardware_names(kRoots);
  EXPECT_EQ(names, (std::vector<std::string>{"a100-80g-sxm", "b200-180g-sxm", "h100-80g-sxm", "h200-141g-sxm",
                                             "h800-80g-sxm"}));
  for (const std::string& name : names) EXPECT_EQ(load_hardware(name, kRoots).name, name);
}

// 141 GiB are 141 * 2^30 = 151,397,597,184 bytes, 92 % of them 139,285,789,409; 400 Gb/s are 50 GB/s, of which 90 % are
// reached; NVLink 900 GB/s both ways.
TEST(Hardware, AShortDocumentTakesWhatItDoesNotSay) {
  const Cluster cluster = short_cluster(R"("device": "h200-141g-sxm", "nodes": 4)");
  EXPECT_EQ(cluster.name, "h200-141g-sxm-4x8");
  EXPECT_EQ(cluster.num_nodes, 4);
  EXPECT_EQ(cluster.devices_per_node, 8);
  EXPECT_EQ(cluster.device.memory_bytes, 151'397'597'184);
  EXPECT_EQ(cluster.device.usable_memory_bytes(), 139'285'789'409);
  EXPECT_EQ(cluster.device.peak_bf16_flops_per_s, 989e12);
  EXPECT_EQ(cluster.device.peak_fp8_flops_per_s, 1979e12);
  EXPECT_EQ(cluster.device.peak_fp4_flops_per_s, 0);
  EXPECT_EQ(cluster.intra_node.bandwidth_bytes_per_s, 450e9);
  EXPECT_EQ(cluster.intra_node.reached_bytes_per_s(), 360e9);
  EXPECT_EQ(cluster.nic.reached_bytes_per_s(), 45e9);
  EXPECT_EQ(cluster.nics_per_node, 8);
  EXPECT_EQ(cluster, *cluster_named("h200-141g-sxm-4x8", kRoots));
  // What a plan carries says all of it.
  EXPECT_EQ(read_cluster(parse_json(write_cluster(cluster).dump(), "again"), "again"), cluster);
}

TEST(Hardware, AShortDocumentMaySayMore) {
  const Cluster cluster = short_cluster(R"("device": "b200-180g-sxm", "nodes": 2, "devices_per_node": 4, "name": "mine",
      "cards": {"per_node": 2, "bandwidth_bytes_per_s": "800 Gb/s", "efficiency": 1}, "usable_memory_share": 0.5)");
  EXPECT_EQ(cluster.name, "mine");
  EXPECT_EQ(cluster.num_devices(), 8);
  EXPECT_EQ(cluster.nics_per_node, 2);
  EXPECT_EQ(cluster.nic.reached_bytes_per_s(), 100e9);
  EXPECT_EQ(cluster.device.peak_fp4_flops_per_s, 9000e12);
  EXPECT_EQ(cluster.device.usable_memory_bytes(), int64_t{90} << 30);
  // Half of a node's devices have half of its cards.
  EXPECT_EQ(cluster_named("b200-180g-sxm-1x4", kRoots)->nics_per_node, 4);
}

TEST(Hardware, WrongDocumentsAndNamesAreRefused) {
  EXPECT_TRUE(cluster_refusal(R"("device": "h200-141-sxm", "nodes": 1)")
                  .starts_with("c.json /device: is no device that is described; did you mean \"h200-141g-sxm\""));
  EXPECT_NE(cluster_refusal(R"("device": "h200-141g-sxm", "nodes": 0)").find("/nodes"), std::string::npos);
  EXPECT_NE(
      cluster_refusal(R"("device": "h200-141g-sxm", "nodes": 1, "devices_per_node": 9)").find("/devices_per_node"),
      std::string::npos);
  EXPECT_NE(cluster_refusal(R"("device": "h200-141g-sxm", "nodes": 1, "card": {})").find("c.json"), std::string::npos);
  EXPECT_EQ(cluster_named("h200-141g-sxm", kRoots), std::nullopt);
  EXPECT_EQ(cluster_named("h900-4x8", kRoots), std::nullopt);
  EXPECT_EQ(cluster_named("h200-141g-sxm-4x", kRoots), std::nullopt);
  EXPECT_THROW(cluster_named("h200-141g-sxm-129x8", kRoots), InputError);
  EXPECT_THROW(cluster_named("h200-141g-sxm-1x9", kRoots), InputError);
  EXPECT_EQ(cluster_names_like("h20-141g-sxm-4x8", kRoots)[3], "h200-141g-sxm-4x8");
  EXPECT_THROW(load_hardware("h900", kRoots), InputError);
}

// A long document says itself what may be filled and reached; what it leaves out is all of it.
TEST(Hardware, LongDocumentsKeepTheirFigures) {
  const std::string file = testing::profiles("clusters/h200-1x8.json");
  Json json = read_json(file);
  EXPECT_EQ(read_any_cluster(json, file, kRoots).device.usable_memory_bytes(), 141'000'000'000);
  EXPECT_EQ(read_any_cluster(json, file, kRoots).intra_node.reached_bytes_per_s(), 450e9);
  json["device"]["usable_memory_share"] = 0.5;
  json["links"]["intra_node"]["efficiency"] = 0.8;
  json["device"]["peak_flops_per_s"]["fp8"] = "1979 TFLOP/s";
  const Cluster cluster = read_cluster(json, file);
  EXPECT_EQ(cluster.device.usable_memory_bytes(), 70'500'000'000);
  EXPECT_EQ(cluster.intra_node.reached_bytes_per_s(), 360e9);
  EXPECT_EQ(read_cluster(write_cluster(cluster), "again"), cluster);
}

}  // namespace
}  // namespace moesaic
