// The cluster document: nodes, device, links.

#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/object_reader.h"

namespace moesaic {
namespace {

// A million nodes and a thousand devices each still multiply within an int.
constexpr IntegerRange kNodes{1, 1 << 20};
constexpr IntegerRange kPerNode{1, 1 << 10};

/// Only ports that send messages have a cost of one: those of devices and network cards.
enum class Sends : bool { copies, messages };

/// `count` gets the integer key that says how the link is shared, default 1; nullptr: no such key. Absent links stay
/// absent.
Link read_link(const Field& field, Sends sends, const char* key = nullptr, int* count = nullptr) {
  if (!field.present()) return {};
  ObjectReader reader = field.object();
  Link link;
  link.bandwidth_bytes_per_s = reader["bandwidth_bytes_per_s"].quantity("B/s", kPositive);
  link.latency_s = reader["latency_s"].quantity("s", kNotNegative);
  if (sends == Sends::messages) {
    link.message_s = reader["message_s"].quantity("s", kNotNegative, 0);
    link.packet_bytes = reader["packet_bytes"].bytes(kBytesRange, 0);
    link.efficiency = reader["efficiency"].number(kPartOfOne, 1);
  }
  if (count != nullptr) *count = static_cast<int>(reader[key].integer(kPerNode, 1));
  reader.finish();
  return link;
}

void read_nodes(ObjectReader nodes, Cluster& cluster) {
  cluster.num_nodes = static_cast<int>(nodes["count"].integer(kNodes));
  cluster.devices_per_node = static_cast<int>(nodes["devices_per_node"].integer(kPerNode));
  cluster.host_memory_bytes = nodes["host_memory_bytes"].bytes(kBytesRange);
  cluster.host_memory_bandwidth_bytes_per_s = nodes["host_memory_bandwidth_bytes_per_s"].quantity("B/s", kPositive);
  if (const Field storage = nodes["storage"]; storage.present()) {
    ObjectReader reader = storage.object();
    cluster.storage_bytes = reader["capacity_bytes"].bytes({1, kBytesRange.most});
    cluster.storage_read_bytes_per_s = reader["read_bytes_per_s"].quantity("B/s", kPositive);
    cluster.storage_write_bytes_per_s = reader["write_bytes_per_s"].quantity("B/s", kPositive);
    reader.finish();
  }
  nodes.finish();
}

Device read_device(ObjectReader reader) {
  Device device;
  device.name = reader["name"].text();
  device.memory_bytes = reader["memory_bytes"].bytes({1, kBytesRange.most});
  device.memory_bandwidth_bytes_per_s = reader["memory_bandwidth_bytes_per_s"].quantity("B/s", kPositive);
  ObjectReader peak = reader["peak_flops_per_s"].object();
  device.peak_f32_flops_per_s = peak["f32"].quantity("FLOP/s", kPositive);
  device.peak_bf16_flops_per_s = peak["bf16"].quantity("FLOP/s", kPositive);
  device.peak_fp8_flops_per_s = peak["fp8"].quantity("FLOP/s", kPositive, 0);
  device.peak_fp4_flops_per_s = peak["fp4"].quantity("FLOP/s", kPositive, 0);
  peak.finish();
  device.multiprocessors = reader["multiprocessors"].integer(kCount, 0);
  device.lanes_share_core = reader["lanes_share_core"].boolean(false);
  device.usable_memory_share = reader["usable_memory_share"].number(kPartOfOne, 1);
  reader.finish();
  return device;
}

void read_links(ObjectReader links, Cluster& cluster) {
  cluster.intra_node = read_link(links["intra_node"], Sends::messages);
  cluster.pcie = read_link(links["pcie"], Sends::copies, "devices_per_switch", &cluster.devices_per_pcie_switch);
  cluster.nic = read_link(links["nic"], Sends::messages, "per_node", &cluster.nics_per_node);
  cluster.spine = read_link(links["spine"], Sends::copies);
  cluster.rail_optimized = links["rail_optimized"].boolean(false);
  links.finish();
  if (cluster.devices_per_node > 1 && !cluster.intra_node.present()) {
    links.refuse("no route between the devices of a node", "links/intra_node where devices_per_node is above 1",
                 "add links/intra_node, or set devices_per_node to 1");
  }
  if (cluster.num_nodes > 1 && !cluster.nic.present()) {
    links.refuse("no route between nodes", "links/nic where nodes/count is above 1",
                 "add links/nic, or set nodes/count to 1");
  }
  if (!cluster.nic.present() && (cluster.spine.present() || cluster.rail_optimized)) {
    links.refuse("describes a network that no nic reaches", "", "add links/nic, or remove spine and rail_optimized");
  }
}

Json write_link(const Link& link) {
  Json json = {{"bandwidth_bytes_per_s", link.bandwidth_bytes_per_s}, {"latency_s", link.latency_s}};
  if (link.message_s > 0) json["message_s"] = link.message_s;
  if (link.packet_bytes > 0) json["packet_bytes"] = link.packet_bytes;
  if (link.efficiency != 1) json["efficiency"] = link.efficiency;
  return json;
}

Json write_device(const Device& device) {
  Json peaks = {{"f32", device.peak_f32_flops_per_s}, {"bf16", device.peak_bf16_flops_per_s}};
  if (device.peak_fp8_flops_per_s > 0) peaks["fp8"] = device.peak_fp8_flops_per_s;
  if (device.peak_fp4_flops_per_s > 0) peaks["fp4"] = device.peak_fp4_flops_per_s;
  Json json = {{"name", device.name},
               {"memory_bytes", device.memory_bytes},
               {"memory_bandwidth_bytes_per_s", device.memory_bandwidth_bytes_per_s},
               {"peak_flops_per_s", peaks},
               {"lanes_share_core", device.lanes_share_core}};
  if (device.multiprocessors > 0) json["multiprocessors"] = device.multiprocessors;
  if (device.usable_memory_share != 1) json["usable_memory_share"] = device.usable_memory_share;
  return json;
}

Json write_links(const Cluster& cluster) {
  Json links = Json::object();
  if (cluster.intra_node.present()) links["intra_node"] = write_link(cluster.intra_node);
  if (cluster.pcie.present()) {
    links["pcie"] = write_link(cluster.pcie);
    links["pcie"]["devices_per_switch"] = cluster.devices_per_pcie_switch;
  }
  if (cluster.nic.present()) {
    links["nic"] = write_link(cluster.nic);
    links["nic"]["per_node"] = cluster.nics_per_node;
  }
  if (cluster.spine.present()) links["spine"] = write_link(cluster.spine);
  links["rail_optimized"] = cluster.rail_optimized;
  return links;
}

}  // namespace

Cluster read_cluster(const Json& json, const std::string& file, const std::string& pointer) {
  ObjectReader reader = open_document(json, file, pointer, "cluster");
  Cluster cluster;
  cluster.name = reader["name"].text("");
  cluster.source = reader["source"].text("");
  read_nodes(reader["nodes"].object(), cluster);
  cluster.device = read_device(reader["device"].object());
  read_links(reader["links"].object(), cluster);
  if (const Field speeds = reader["device_speeds"]; speeds.present()) {
    cluster.device_speeds = speeds.numbers({1e-6, 1e6});
    if (static_cast<int64_t>(speeds.size()) != int64_t{cluster.num_nodes} * cluster.devices_per_node)
      speeds.refuse("has " + std::to_string(speeds.size()) + " entries", "one per device");
  }
  reader.finish();
  return cluster;
}

std::string usable_memory_text(const Device& device) {
  return format_bytes(static_cast<double>(device.usable_memory_bytes())) +
         (device.usable_memory_share < 1 ? " to use" : "");
}

Json write_cluster_in_full(const Cluster& cluster) {
  Json json = write_cluster(cluster);
  json["device"].emplace("usable_memory_share", 1.0);
  for (const char* name : {"intra_node", "nic"}) {
    if (!json["links"].contains(name)) continue;
    json["links"][name].emplace("message_s", 0.0);
    json["links"][name].emplace("packet_bytes", 0);
    json["links"][name].emplace("efficiency", 1.0);
  }
  return json;
}

Json write_cluster(const Cluster& cluster) {
  Json nodes = {{"count", cluster.num_nodes},
                {"devices_per_node", cluster.devices_per_node},
                {"host_memory_bytes", cluster.host_memory_bytes},
                {"host_memory_bandwidth_bytes_per_s", cluster.host_memory_bandwidth_bytes_per_s}};
  if (cluster.storage_bytes > 0) {
    nodes["storage"] = {{"capacity_bytes", cluster.storage_bytes},
                        {"read_bytes_per_s", cluster.storage_read_bytes_per_s},
                        {"write_bytes_per_s", cluster.storage_write_bytes_per_s}};
  }
  Json json = {{"kind", "moesaic.cluster/1"},
               {"name", cluster.name},
               {"source", cluster.source},
               {"nodes", nodes},
               {"device", write_device(cluster.device)},
               {"links", write_links(cluster)}};
  if (!cluster.device_speeds.empty()) json["device_speeds"] = cluster.device_speeds;
  return json;
}

}  // namespace moesaic
