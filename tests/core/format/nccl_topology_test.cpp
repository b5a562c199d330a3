#include "core/format/nccl_topology.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"
#include "tests/core/schema/shipped_documents.h"

namespace moesaic {
namespace {

/// A node of eight H100, as NCCL writes it: on each of two processors two PCIe switches with two GPUs and two cards
/// each; a slow card that both processors see.
std::string topology(const std::string& links = R"(<nvlink target="0000:07:00.0" count="5" tclass="0x068000"/>
    <nvlink target="0000:06:00.0" count="5" tclass="0x068000"/>
    <nvlink target="0000:05:00.0" count="4" tclass="0x068000"/>
    <nvlink target="0000:08:00.0" count="4" tclass="0x068000"/>)",
                     const std::string& slot = R"(link_speed="32.0 GT/s PCIe" link_width="16")") {
  std::string xml = "<system version=\"1\">\n";
  for (int cpu = 0; cpu < 2; ++cpu) {
    xml +=
        "<cpu host_hash=\"0x16fe\" numaid=\"" + std::to_string(cpu) + "\" arch=\"x86_64\" vendor=\"GenuineIntel\">\n";
    for (int bridge = 2 * cpu; bridge < 2 * cpu + 2; ++bridge) {
      xml += "<pci busid=\"0000:" + std::to_string(10 + bridge) + ":00.0\" class=\"0x060400\">\n";
      for (int dev = 2 * bridge; dev < 2 * bridge + 2; ++dev)
        xml += "<pci busid=\"0000:" + std::to_string(20 + dev) + ":00.0\" class=\"0x030200\" " + slot + "><gpu dev=\"" +
               std::to_string(dev) + "\" sm=\"90\" rank=\"" + std::to_string(dev) + "\" gdr=\"1\">" + links +
               "</gpu></pci>\n<pci busid=\"0000:" + std::to_string(40 + dev) +
               ":00.0\" class=\"0x020000\"><nic><net name=\"mlx5_" + std::to_string(dev) +
               "\" speed=\"400000\" port=\"1\" latency=\"0.000000\" gdr=\"1\"/></nic></pci>\n";
      xml += "</pci>\n";
    }
    xml += "<nic><net name=\"eth0\" speed=\"10000\" gdr=\"0\"/></nic></cpu>\n";
  }
  return xml + "</system>\n";
}

std::string topology_refusal(const std::string& text) {
  try {
    read_nccl_topology(text, "topo.xml");
  } catch (const InputError& error) {
    return error.what();
  }
  return "none";
}

std::string with(std::string text, const std::string& old, const std::string& other) {
  return text.replace(text.find(old), old.size(), other);
}

// 18 links of 25 GB/s; 32 GT/s * 16 lanes / 8 = 64 GB/s; 400,000 Mb/s = 50 GB/s.
TEST(NcclTopology, ANodeOfEightGpus) {
  EXPECT_EQ(read_nccl_topology(topology(), "topo.xml"),
            (NcclTopology{8, 2, 90, 18, 450e9, 64e9, 8, 50e9, {"eth0, 10000 Mb/s"}}));
}

// One link target of all switches, as on Blackwell: 18 links of 50 GB/s. In a virtual machine a slot has no width.
TEST(NcclTopology, BlackwellInAVirtualMachine) {
  std::string xml = topology(R"(<nvlink target="fffffff:ff:ff.0" count="18" tclass="0x068000"/>)",
                             R"(link_speed="32.0 GT/s PCIe" link_width="0")");
  for (size_t at = 0; (at = xml.find("sm=\"90\"", at)) != std::string::npos;) xml.replace(at, 7, "sm=\"100\"");
  const NcclTopology found = read_nccl_topology(xml, "topo.xml");
  EXPECT_EQ(found.nvlink_bytes_per_s, 900e9);
  EXPECT_EQ(found.pcie_bytes_per_s, 0);
}

TEST(NcclTopology, BecomesAClusterWithTheRestOfItsDevice) {
  const Hardware h100 = load_hardware("h100-80g-sxm", {testing::profiles("")});
  const TopologyCluster found = cluster_of(read_nccl_topology(topology(), "topo.xml"), "topo.xml", h100, 3);
  Cluster expected = *cluster_named("h100-80g-sxm-3x8", {testing::profiles("")});
  expected.source = found.cluster.source;
  EXPECT_EQ(found.cluster, expected);
  EXPECT_EQ(found.taken, (std::vector<std::string>{"left out: network card eth0, 10000 Mb/s"}));
}

TEST(NcclTopology, SaysWhatItTakesFromTheDeviceAndWhatDiffers) {
  const Hardware h800 = load_hardware("h800-80g-sxm", {testing::profiles("")});
  const NcclTopology here = read_nccl_topology(topology("", ""), "topo.xml");
  const TopologyCluster found = cluster_of(here, "topo.xml", h800, 1);
  EXPECT_EQ(found.cluster.intra_node.bandwidth_bytes_per_s, 64e9);
  EXPECT_EQ(found.taken, (std::vector<std::string>{"PCIe: not in the topology, 64 GB/s by h800-80g-sxm",
                                                   "no NVLink: GPUs of a node exchange over PCIe",
                                                   "left out: network card eth0, 10000 Mb/s"}));
  const TopologyCluster other = cluster_of(read_nccl_topology(topology(), "topo.xml"), "topo.xml", h800, 1);
  EXPECT_EQ(other.taken.front(), "NVLink: 450 GB/s here, 200 GB/s by h800-80g-sxm");
}

TEST(NcclTopology, RefusesWhatIsNoNode) {
  const auto expect = [](const std::string& text, const std::string& reason) {
    EXPECT_NE(topology_refusal(text).find(reason), std::string::npos) << topology_refusal(text);
  };
  expect("", "is no XML");
  expect(topology().substr(0, 400), "is no XML");
  expect("<graphs/>", "begins with <graphs>");
  expect("<system/>", "has no gpu");
  expect(with(topology(), "0x16fe", "0x16ff"), "is of 2 hosts");
  expect(with(topology(), "count=\"5\"", "count=\"4\""), "NVLinks, others have");
  expect(with(topology(), "count=\"5\"", "count=\"x\""), "count is \"x\"");
  expect(with(topology(), "sm=\"90\"", "sm=\"80\""), "of another architecture");
  std::string old = topology();
  for (size_t at = 0; (at = old.find("sm=\"90\"", at)) != std::string::npos;) old.replace(at, 7, "sm=\"60\"");
  expect(old, "sm 60, whose NVLinks are not known");
}

}  // namespace
}  // namespace moesaic
