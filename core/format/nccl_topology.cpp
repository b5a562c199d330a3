#include "core/format/nccl_topology.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <pugixml.hpp>
#include <set>

#include "core/schema/error.h"
#include "core/schema/formatted.h"

namespace moesaic {
namespace {

/// Bytes per second of one NVLink in one direction.
BytesPerSecond rate_of_nvlink(int sm, const std::string& file) {
  if (sm >= 70 && sm <= 90) return 25e9;
  if (sm >= 100 && sm <= 109) return 50e9;
  throw InputError(file, "", "has GPUs of sm " + std::to_string(sm) + ", whose NVLinks are not known", "sm 70 to 109",
                   "write the cluster document by hand");
}

/// The number that an attribute begins with: "32.0 GT/s PCIe".
double leading_number(const pugi::xml_node& node, const char* attribute, const std::string& file) {
  const std::string text = node.attribute(attribute).value();
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !(value >= 0) || value > 1e9)
    throw InputError(file, "", std::string("element ") + node.name() + ": " + attribute + " is \"" + text + "\"",
                     "a number");
  return value;
}

int whole(const pugi::xml_node& node, const char* attribute, const std::string& file) {
  return static_cast<int>(leading_number(node, attribute, file));
}

std::vector<pugi::xml_node> all_named(const pugi::xml_node& root, const char* name) {
  std::vector<pugi::xml_node> found;
  for (const auto& match : root.select_nodes((std::string(".//") + name).c_str())) found.push_back(match.node());
  return found;
}

/// The PCIe device right below a processor: everything below it shares one way to the processor.
pugi::xml_node switch_of(pugi::xml_node gpu) {
  pugi::xml_node top = gpu;
  while (std::string(top.parent().name()) == "pci") top = top.parent();
  return top;
}

int nvlinks_of(const pugi::xml_node& gpu, const std::string& file) {
  int links = 0;
  for (const pugi::xml_node& link : gpu.children("nvlink")) links += whole(link, "count", file);
  return links;
}

void check_one_host(const pugi::xml_node& system, const std::string& file) {
  std::set<std::string> hosts;
  for (const pugi::xml_node& cpu : system.children("cpu")) hosts.insert(cpu.attribute("host_hash").value());
  if (hosts.size() > 1)
    throw InputError(file, "", "is of " + std::to_string(hosts.size()) + " hosts", "the topology of one node",
                     "dump it in a run on one node");
}

void read_devices(const pugi::xml_node& system, const std::string& file, NcclTopology& topology) {
  const std::vector<pugi::xml_node> gpus = all_named(system, "gpu");
  if (gpus.empty()) throw InputError(file, "", "has no gpu", "the topology of a node with GPUs");
  std::map<std::string, int> below;  // by the switch's bus id
  topology.devices = static_cast<int>(gpus.size());
  topology.sm = whole(gpus.front(), "sm", file);
  topology.nvlinks = nvlinks_of(gpus.front(), file);
  for (const pugi::xml_node& gpu : gpus) {
    const std::string name = std::string("gpu ") + gpu.attribute("dev").value();
    if (whole(gpu, "sm", file) != topology.sm)
      throw InputError(file, "", name + " is of another architecture than the others", "GPUs of one kind");
    if (const int links = nvlinks_of(gpu, file); links != topology.nvlinks)
      throw InputError(file, "", formatted("%s has %d NVLinks, others have %d", name.c_str(), links, topology.nvlinks),
                       "GPUs of one kind", "a link may be down: nvidia-smi nvlink --status");
    ++below[switch_of(gpu.parent()).attribute("busid").value()];
  }
  for (const auto& [bus, devices] : below) topology.devices_per_switch = std::max(topology.devices_per_switch, devices);
  if (topology.nvlinks > 0) topology.nvlink_bytes_per_s = topology.nvlinks * rate_of_nvlink(topology.sm, file);
  const pugi::xml_node slot = gpus.front().parent();
  if (slot.attribute("link_speed") && slot.attribute("link_width"))
    topology.pcie_bytes_per_s = leading_number(slot, "link_speed", file) * 1e9 * whole(slot, "link_width", file) / 8;
}

/// A card that several processors see stands below each of them, so names count. GPUs send over the fastest cards.
void read_cards(const pugi::xml_node& system, const std::string& file, NcclTopology& topology) {
  std::map<std::string, double> megabits;
  for (const pugi::xml_node& net : all_named(system, "net"))
    megabits[net.attribute("name").value()] = leading_number(net, "speed", file);
  double fastest = 0;
  for (const auto& [name, speed] : megabits) fastest = std::max(fastest, speed);
  for (const auto& [name, speed] : megabits) {
    if (speed == fastest && speed > 0)
      ++topology.cards;
    else
      topology.slower_cards.push_back(formatted("%s, %.0f Mb/s", name.c_str(), speed));
  }
  topology.card_bytes_per_s = fastest * 1e6 / 8;
}

std::string rate_text(BytesPerSecond rate) { return format_bytes(rate) + "/s"; }

}  // namespace

NcclTopology read_nccl_topology(const std::string& text, const std::string& file) {
  pugi::xml_document document;
  const pugi::xml_parse_result parsed = document.load_buffer(text.data(), text.size());
  if (!parsed)
    throw InputError(file, "", formatted("is no XML: %s at byte %td", parsed.description(), parsed.offset),
                     "what NCCL_TOPO_DUMP_FILE writes");
  const pugi::xml_node system = document.child("system");
  if (!system)
    throw InputError(file, "", std::string("begins with <") + document.first_child().name() + ">", "<system>",
                     "dump it with NCCL_TOPO_DUMP_FILE");
  check_one_host(system, file);
  NcclTopology topology;
  read_devices(system, file, topology);
  read_cards(system, file, topology);
  return topology;
}

TopologyCluster cluster_of(const NcclTopology& topology, const std::string& file, const Hardware& hardware, int nodes) {
  TopologyCluster result{hardware.node, {}};
  Cluster& cluster = result.cluster;
  std::vector<std::string>& taken = result.taken;
  const auto set = [&](const char* what, BytesPerSecond found, Link& link) {
    if (found == 0)
      taken.push_back(std::string(what) + ": not in the topology, " + rate_text(link.bandwidth_bytes_per_s) + " by " +
                      hardware.name);
    else if (found != link.bandwidth_bytes_per_s)
      taken.push_back(std::string(what) + ": " + rate_text(found) + " here, " + rate_text(link.bandwidth_bytes_per_s) +
                      " by " + hardware.name);
    if (found > 0) link.bandwidth_bytes_per_s = found;
  };
  set("PCIe", topology.pcie_bytes_per_s, cluster.pcie);
  set("a network card", topology.card_bytes_per_s, cluster.nic);
  if (topology.nvlinks > 0) {
    set("NVLink", topology.nvlink_bytes_per_s, cluster.intra_node);
  } else {
    cluster.intra_node.bandwidth_bytes_per_s = cluster.pcie.bandwidth_bytes_per_s;
    taken.push_back("no NVLink: GPUs of a node exchange over PCIe");
  }
  if (topology.cards > 0) cluster.nics_per_node = topology.cards;
  for (const std::string& card : topology.slower_cards) taken.push_back("left out: network card " + card);
  cluster.devices_per_pcie_switch = topology.devices_per_switch;
  cluster.devices_per_node = topology.devices;
  cluster.num_nodes = nodes;
  cluster.name = hardware.name + formatted("-%dx%d", nodes, topology.devices);
  cluster.source = "NCCL topology " + file + " (GPUs, NVLink, PCIe, network cards); all else from " + hardware.name +
                   ": " + cluster.source;
  return result;
}

}  // namespace moesaic
