#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "core/network/collective_demand.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

/// Bytes through both directions of one port and messages out of it.
struct PortLoad {
  Bytes out = 0, in = 0;
  int64_t messages = 0;
  void add(Bytes more_out, Bytes more_in, int64_t more_messages) {
    out += more_out;
    in += more_in;
    messages += more_messages;
  }
};

/// Of the busier direction; `parallel` links act as one port, each message passes one of them.
Seconds seconds_of(const PortLoad& load, const Link& link, double parallel, const Cluster& cluster, const char* name) {
  if (load.out == 0 && load.in == 0) return 0;
  MOESAIC_CHECK(link.present(), "a collective uses the link " + std::string(name) + ", which cluster '" + cluster.name +
                                    "' does not have");
  const double bandwidth = link.reached_bytes_per_s() * parallel;
  const Seconds messages = static_cast<double>(load.messages) * link.message_s / parallel;
  return std::max(static_cast<double>(load.out) / bandwidth + messages, static_cast<double>(load.in) / bandwidth);
}

}  // namespace

Seconds latency_seconds(const CollectiveDemand& demand, const Cluster& cluster) {
  const auto leaves_rail = [](const MemberDemand& member) { return member.spine_out > 0 || member.spine_in > 0; };
  Seconds between_nodes = cluster.nic.latency_s;
  if (cluster.spine.present() && std::any_of(demand.members.begin(), demand.members.end(), leaves_rail))
    between_nodes += cluster.spine.latency_s;
  return demand.intra_steps * cluster.intra_node.latency_s + demand.inter_steps * between_nodes;
}

// t = steps * alpha + max over ports of (messages * message_s + bytes / bandwidth)
Seconds alpha_beta_seconds(const CollectiveDemand& demand, const Cluster& cluster) {
  Seconds slowest = 0;
  std::map<std::pair<int, int>, PortLoad> cards;  // by (node, card)
  std::map<int, PortLoad> uplinks;                // by rail
  for (const MemberDemand& member : demand.members) {
    const PortLoad device{member.intra_out, member.intra_in, member.intra_messages};
    slowest = std::max(slowest, seconds_of(device, cluster.intra_node, 1, cluster, "intra_node"));
    const int local = cluster.local_rank(member.rank);
    cards[{cluster.node_of(member.rank), cluster.nic_port_of(local)}].add(member.inter_out, member.inter_in,
                                                                          member.inter_messages);
    uplinks[local].add(member.spine_out, member.spine_in, 0);
  }
  for (const auto& [card, load] : cards)
    slowest = std::max(slowest, seconds_of(load, cluster.nic, cluster.nics_per_port(), cluster, "nic"));
  if (cluster.spine.present())
    for (const auto& [rail, load] : uplinks)
      slowest = std::max(slowest, seconds_of(load, cluster.spine, 1, cluster, "spine"));
  return latency_seconds(demand, cluster) + slowest;
}

}  // namespace moesaic
