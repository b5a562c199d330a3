#include "simulator/platform.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/operators/transfers.h"
#include "core/schema/error.h"

namespace moesaic::simulator {

const char* name_of(PortKind kind) {
  constexpr const char* kNames[kNumPortKinds] = {"intra_node", "nic", "spine", "pcie", "storage", "host_memory"};
  return kNames[static_cast<size_t>(kind)];
}

Platform::Platform(const Cluster& cluster, int num_ranks)
    : cluster_(cluster), num_ranks_(num_ranks), port_of_(static_cast<size_t>(kNumPortKinds) * num_ranks, -1) {
  const int devices = cluster.devices_per_node;
  std::map<std::pair<int, int>, int> card_port;  // (node, card) -> port
  std::map<int, int> rail_port;
  std::map<std::pair<PortKind, int>, int> shared_port;  // (kind, switch or node) -> port
  const auto once = [](auto& known, const auto& key, const auto& make) {
    const auto [entry, is_new] = known.try_emplace(key, -1);
    if (is_new) entry->second = make();
    return entry->second;
  };
  for (int rank = 0; rank < num_ranks; ++rank) {
    const int node = cluster.node_of(rank), local = cluster.local_rank(rank), card = cluster.nic_port_of(local);
    const auto set = [&](PortKind kind, int port) { port_of_[static_cast<size_t>(kind) * num_ranks + rank] = port; };
    const std::string device_name = "device " + std::to_string(rank);
    set(PortKind::intra_node, add_port(PortKind::intra_node, device_name, cluster.intra_node.reached_bytes_per_s()));
    set(PortKind::nic, once(card_port, std::pair(node, card), [&] {
          const std::string owner = "node " + std::to_string(node) + " card " + std::to_string(card);
          return add_port(PortKind::nic, owner, cluster.nic.reached_bytes_per_s() * cluster.nics_per_port());
        }));
    set(PortKind::spine, once(rail_port, local, [&] {
          return add_port(PortKind::spine, "rail " + std::to_string(local), cluster.spine.reached_bytes_per_s());
        }));
    const auto share = [&](PortKind kind, const char* owner, int number, BytesPerSecond bandwidth) {
      set(kind, once(shared_port, std::pair(kind, number),
                     [&] { return add_port(kind, owner + std::to_string(number), bandwidth); }));
    };
    const int switches = (devices + cluster.devices_per_pcie_switch - 1) / cluster.devices_per_pcie_switch;
    share(PortKind::pcie, "switch ", node * switches + local / cluster.devices_per_pcie_switch,
          cluster.pcie.bandwidth_bytes_per_s);
    share(PortKind::storage, "node ", node, cluster.storage_read_bytes_per_s);
    share(PortKind::host_memory, "node ", node, cluster.host_memory_bandwidth_bytes_per_s);
  }
}

int Platform::add_port(PortKind kind, const std::string& owner, BytesPerSecond bandwidth) {
  if (!(bandwidth > 0)) return -1;
  links_.push_back({owner + " " + name_of(kind), kind, bandwidth});
  return static_cast<int>(links_.size()) - 1;
}

void Platform::build(ActivityEngine& engine, double collective_slowdown) const {
  for (int rank = 0; rank < num_ranks_; ++rank) engine.add_core("rank " + std::to_string(rank), collective_slowdown);
  for (const PortLink& link : links_) engine.add_port(link.name, link.bandwidth_bytes_per_s);
  engine.seal();
}

void Platform::check_flow(const Flow& flow, int rank) const {
  constexpr double kMostBytes = 1e16;  // SimGrid counts 1024 units of each in 64 bits
  const Seconds seconds = flow.bytes / bandwidth_of(flow.port);
  if (seconds < kLongest && flow.bytes < kMostBytes) return;
  throw InputError(
      "cluster '" + cluster_.name + "'", std::string("/links/") + name_of(kind_of(flow.port)),
      "rank " + std::to_string(rank) + " would pass " + format_bytes(flow.bytes) + " in " + format_seconds(seconds),
      "rates that let a transfer end within 1e9 s", "look for a rate that is far too small");
}

void Platform::append(PortKind kind, int rank, double out, double in, std::vector<Flow>& flows, double busy_out) const {
  if (out == 0 && in == 0) return;
  const int port = port_of_[static_cast<size_t>(kind) * num_ranks_ + rank];
  if (port < 0 && kind == PortKind::spine) return;
  if (port < 0)
    throw InputError("cluster '" + cluster_.name + "'", std::string("/links/") + name_of(kind),
                     "ranks must exchange bytes over a link that the cluster does not have", "a bandwidth above 0",
                     "give the link a bandwidth, or a layout that does not need it");
  const auto add = [&](ActivityEngine::Direction direction, double bytes) {
    check_flow(flows.emplace_back(Flow{port, direction, bytes}), rank);
  };
  if (out > 0) add(ActivityEngine::Direction::out, out + busy_out);
  if (in > 0) add(ActivityEngine::Direction::in, in);
}

void Platform::append_flows(const MemberDemand& member, std::vector<Flow>& flows) const {
  // Of a port of several cards a message occupies one, so the bandwidth of one card counts.
  const auto busy = [](int64_t messages, const Link& link) {
    return static_cast<double>(messages) * link.message_s * link.reached_bytes_per_s();
  };
  append(PortKind::intra_node, member.rank, member.intra_out, member.intra_in, flows,
         busy(member.intra_messages, cluster_.intra_node));
  append(PortKind::nic, member.rank, member.inter_out, member.inter_in, flows,
         busy(member.inter_messages, cluster_.nic));
  append(PortKind::spine, member.rank, member.spine_out, member.spine_in, flows);
}

void Platform::append_flows(const TransferWork& work, int rank, bool on_core, std::vector<Flow>& flows) const {
  if (work.moved.storage_written > 0) {
    const double slower = cluster_.storage_read_bytes_per_s / cluster_.storage_write_bytes_per_s;
    append(PortKind::storage, rank, 0, std::floor(static_cast<double>(work.moved.storage_written) * slower), flows);
  }
  append(PortKind::storage, rank, 0, work.moved.storage_read, flows);
  if (on_core) return;
  append(PortKind::pcie, rank, work.moved.from_device, work.moved.to_device, flows);
  append(PortKind::host_memory, rank, 0,
         bytes_of(DType::f32, kHostUpdateWords * work.updated_elements + kHostCheckWords * work.checked_elements),
         flows);
}

Seconds Platform::port_seconds(const CollectiveDemand& demand) const {
  std::vector<Flow> flows;
  for (const MemberDemand& member : demand.members) append_flows(member, flows);
  const auto key = [](const Flow& flow) { return std::pair(flow.port, flow.direction); };
  std::sort(flows.begin(), flows.end(), [&](const Flow& a, const Flow& b) { return key(a) < key(b); });
  Seconds slowest = 0;
  for (size_t first = 0, last = 0; first < flows.size(); first = last) {
    double bytes = 0;
    for (last = first; last < flows.size() && key(flows[last]) == key(flows[first]); ++last) bytes += flows[last].bytes;
    slowest = std::max(slowest, bytes / links_[static_cast<size_t>(flows[first].port)].bandwidth_bytes_per_s);
  }
  return slowest;
}

}  // namespace moesaic::simulator
