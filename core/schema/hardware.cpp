#include "core/schema/hardware.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "core/schema/nearest_name.h"
#include "core/schema/object_reader.h"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

constexpr int kMostNamedNodes = 128;

std::string joined_sources(ObjectReader reader) {
  std::string text;
  for (const auto& [what, source] : reader.json().items())
    text += (text.empty() ? "" : "; ") + what + ": " + reader[what].text();
  reader.finish();
  return text;
}

std::string file_of(const std::string& name, const std::vector<std::string>& roots) {
  std::error_code ignored;
  for (const std::string& root : roots) {
    const fs::path file = fs::path(root) / "devices" / name / "hardware.json";
    if (fs::is_regular_file(file, ignored)) return file.string();
  }
  return "";
}

/// A part of the node's devices, each with as many cards as in the whole.
Cluster with_counts(Cluster node, const std::string& name, int nodes, int devices) {
  node.name = name + "-" + std::to_string(nodes) + "x" + std::to_string(devices);
  node.num_nodes = nodes;
  node.nics_per_node = std::max(1, node.nics_per_node * devices / node.devices_per_node);
  node.devices_per_node = devices;
  return node;
}

void read_cards(ObjectReader reader, Cluster& cluster) {
  constexpr IntegerRange kCards{1, 1 << 10};
  cluster.nics_per_node = static_cast<int>(reader["per_node"].integer(kCards, cluster.nics_per_node));
  Link& nic = cluster.nic;
  nic.bandwidth_bytes_per_s = reader["bandwidth_bytes_per_s"].quantity("B/s", kPositive, nic.bandwidth_bytes_per_s);
  nic.efficiency = reader["efficiency"].number(kPartOfOne, nic.efficiency);
  reader.finish();
}

struct ClusterName {
  std::string device, shape;  // "h200-141g-sxm", "4x8"
  int nodes = 0, devices = 0;
};

/// Of the form DEVICE-NODESxDEVICES.
std::optional<ClusterName> parse(const std::string& name) {
  const size_t dash = name.rfind('-'), times = name.rfind('x');
  if (dash == std::string::npos || times == std::string::npos || times < dash) return std::nullopt;
  ClusterName parts{name.substr(0, dash), name.substr(dash + 1)};
  const auto whole = [&](size_t first, size_t last, int& value) {
    const auto [end, error] = std::from_chars(name.data() + first, name.data() + last, value);
    return error == std::errc() && end == name.data() + last && first < last;
  };
  if (!whole(dash + 1, times, parts.nodes) || !whole(times + 1, name.size(), parts.devices)) return std::nullopt;
  return parts;
}

}  // namespace

Hardware read_hardware(const Json& json, const std::string& file, const std::string& pointer) {
  ObjectReader reader = open_document(json, file, pointer, "hardware");
  Hardware hardware;
  hardware.name = reader["name"].text();
  hardware.driver_names = reader["driver_names"].each([](const Field& name) { return name.text(); });
  const std::string source = joined_sources(reader["sources"].object());
  const Json& device = reader["device"].json();
  const Json& links = reader["links"].json();
  // The parts are those of a cluster, at the same places.
  hardware.node = read_cluster({{"kind", "moesaic.cluster/1"},
                                {"name", hardware.name},
                                {"source", source},
                                {"nodes", reader["nodes"].json()},
                                {"device", device},
                                {"links", links}},
                               file, pointer);
  reader.finish();
  const auto says = [&](const char* link) { return links.contains(link) && links[link].contains("efficiency"); };
  if (!says("intra_node")) hardware.node.intra_node.efficiency = kReachedShareOfPorts;
  if (!says("nic")) hardware.node.nic.efficiency = kReachedShareOfCards;
  if (!device.contains("usable_memory_share")) hardware.node.device.usable_memory_share = kUsableMemoryShare;
  return hardware;
}

std::vector<std::string> hardware_names(const std::vector<std::string>& roots) {
  std::vector<std::string> names;
  for (const std::string& root : roots) {
    std::error_code error;
    for (fs::directory_iterator entry(fs::path(root) / "devices", error), end; !error && entry != end;
         entry.increment(error))
      if (fs::is_regular_file(entry->path() / "hardware.json")) names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Hardware load_hardware(const std::string& name, const std::vector<std::string>& roots) {
  const std::string file = file_of(name, roots);
  if (file.empty())
    throw InputError(name, "", "no description of a device has this name", "a folder of devices with hardware.json",
                     suggestion(name, hardware_names(roots)));
  return read_hardware(read_json(file), file);
}

bool is_short_cluster(const Json& json) {
  return json.is_object() && json.contains("device") && json["device"].is_string();
}

Cluster read_short_cluster(const Json& json, const std::string& file, const std::vector<std::string>& roots) {
  ObjectReader reader = open_document(json, file, "", "cluster");
  const Field device = reader["device"];
  const std::vector<std::string> known = hardware_names(roots);
  if (std::find(known.begin(), known.end(), device.text()) == known.end())
    device.refuse("is no device that is described", "", suggestion(device.text(), known));
  const Hardware hardware = load_hardware(device.text(), roots);
  const int whole = hardware.node.devices_per_node;
  constexpr IntegerRange kNodes{1, 1 << 20};
  Cluster cluster = with_counts(hardware.node, hardware.name, static_cast<int>(reader["nodes"].integer(kNodes)),
                                static_cast<int>(reader["devices_per_node"].integer({1, whole}, whole)));
  cluster.name = reader["name"].text(cluster.name);
  cluster.source = reader["source"].text(cluster.source);
  if (const Field cards = reader["cards"]; cards.present()) read_cards(cards.object(), cluster);
  double& usable = cluster.device.usable_memory_share;
  usable = reader["usable_memory_share"].number(kPartOfOne, usable);
  reader.finish();
  return cluster;
}

Cluster read_any_cluster(const Json& json, const std::string& file, const std::vector<std::string>& roots) {
  return is_short_cluster(json) ? read_short_cluster(json, file, roots) : read_cluster(json, file);
}

std::optional<Cluster> cluster_named(const std::string& name, const std::vector<std::string>& roots) {
  const std::optional<ClusterName> parts = parse(name);
  if (!parts || file_of(parts->device, roots).empty()) return std::nullopt;
  const Hardware hardware = load_hardware(parts->device, roots);
  const int whole = hardware.node.devices_per_node;
  if (parts->nodes < 1 || parts->nodes > kMostNamedNodes || parts->devices < 1 || parts->devices > whole)
    throw InputError(name, "", "names " + std::to_string(parts->nodes) + " nodes of " + std::to_string(parts->devices),
                     "1 to " + std::to_string(kMostNamedNodes) + " nodes of 1 to " + std::to_string(whole),
                     "write a cluster document for more");
  return with_counts(hardware.node, hardware.name, parts->nodes, parts->devices);
}

std::vector<std::string> cluster_names_like(const std::string& name, const std::vector<std::string>& roots) {
  const std::optional<ClusterName> parts = parse(name);
  std::vector<std::string> names = hardware_names(roots);
  for (std::string& device : names) device += "-" + (parts ? parts->shape : "1x8");
  return names;
}

}  // namespace moesaic
