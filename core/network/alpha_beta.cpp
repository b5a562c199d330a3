#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "core/network/collective_demand.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

/// The busier direction of one port.
struct PortLoad {
  Bytes out = 0, in = 0;
  void add(Bytes more_out, Bytes more_in) {
    out += more_out;
    in += more_in;
  }
  Bytes busier() const { return std::max(out, in); }
};

/// Where a node has fewer cards than devices, consecutive local ranks share one; else each device has its own share of
/// cards.
int card_of(int local_rank, const Cluster& cluster) {
  if (cluster.nics_per_node >= cluster.devices_per_node) return local_rank;
  return local_rank * cluster.nics_per_node / cluster.devices_per_node;
}

double cards_per_port(const Cluster& cluster) { return std::max(1, cluster.nics_per_node / cluster.devices_per_node); }

Seconds seconds_of(Bytes bytes, BytesPerSecond bandwidth, const Cluster& cluster, const char* link) {
  if (bytes == 0) return 0;
  MOESAIC_CHECK(bandwidth > 0, "a collective uses the link " + std::string(link) + ", which cluster '" + cluster.name +
                                   "' does not have");
  return static_cast<double>(bytes) / bandwidth;
}

}  // namespace

// t = steps * alpha + max over ports of bytes / bandwidth
Seconds alpha_beta_seconds(const CollectiveDemand& demand, const Cluster& cluster) {
  Bytes intra_bytes = 0, card_bytes = 0, uplink_bytes = 0;
  std::map<std::pair<int, int>, PortLoad> cards;  // by (node, card)
  std::map<int, PortLoad> uplinks;                // by rail
  for (const MemberDemand& member : demand.members) {
    intra_bytes = std::max({intra_bytes, member.intra_out, member.intra_in});
    const int local = cluster.local_rank(member.rank);
    cards[{cluster.node_of(member.rank), card_of(local, cluster)}].add(member.inter_out, member.inter_in);
    uplinks[local].add(member.spine_out, member.spine_in);
  }
  for (const auto& [card, load] : cards) card_bytes = std::max(card_bytes, load.busier());
  for (const auto& [rail, load] : uplinks) uplink_bytes = std::max(uplink_bytes, load.busier());

  Seconds alpha = demand.crosses_nodes ? cluster.nic.latency_s : cluster.intra_node.latency_s;
  Seconds slowest = seconds_of(intra_bytes, cluster.intra_node.bandwidth_bytes_per_s, cluster, "intra_node");
  slowest = std::max(
      slowest, seconds_of(card_bytes, cluster.nic.bandwidth_bytes_per_s * cards_per_port(cluster), cluster, "nic"));
  if (cluster.spine.present() && uplink_bytes > 0) {
    alpha += cluster.spine.latency_s;
    slowest = std::max(slowest, static_cast<double>(uplink_bytes) / cluster.spine.bandwidth_bytes_per_s);
  }
  return demand.latency_steps * alpha + slowest;
}

}  // namespace moesaic
