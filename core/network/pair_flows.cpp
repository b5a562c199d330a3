#include "core/network/pair_flows.h"

#include <map>
#include <utility>

#include "core/schema/error.h"

namespace moesaic {
namespace {

/// Ports of one kind, made when a flow needs them first.
class PortsOfLink {
 public:
  PortsOfLink(PortFlows& flows, const Link& link, double parallel, const char* name)
      : flows_(flows), link_(link), parallel_(parallel), name_(name) {}

  struct Port {
    int out = -1, in = -1;
  };

  /// `owner` tells the ports of a kind apart.
  const Port& of(int owner) {
    Port& port = ports_[owner];
    if (port.out < 0) {
      MOESAIC_CHECK(link_.present(), "an all-to-all uses the link " + std::string(name_) + ", which is not there");
      port = {flows_.add_port(link_.reached_bytes_per_s() * parallel_),
              flows_.add_port(link_.reached_bytes_per_s() * parallel_)};
    }
    return port;
  }

 private:
  PortFlows& flows_;
  const Link& link_;
  double parallel_;
  const char* name_;
  std::map<int, Port> ports_;
};

}  // namespace

PortFlows all_to_all_flows(const std::vector<int>& group, const PairBytes& pair_bytes, const Cluster& cluster) {
  PortFlows flows;
  PortsOfLink devices(flows, cluster.intra_node, 1, "intra_node"), uplinks(flows, cluster.spine, 1, "spine");
  PortsOfLink cards(flows, cluster.nic, cluster.nics_per_port(), "nic");
  const auto card_of = [&](int rank) {
    return cards.of(cluster.node_of(rank) * cluster.devices_per_node + cluster.nic_port_of(cluster.local_rank(rank)));
  };
  std::vector<int> passed;
  for (size_t i = 0; i < group.size(); ++i)
    for (size_t j = 0; j < group.size(); ++j) {
      const Bytes bytes = i == j ? 0 : pair_bytes(static_cast<int>(i), static_cast<int>(j));
      if (bytes == 0) continue;
      const int from = group[i], to = group[j], from_local = cluster.local_rank(from),
                to_local = cluster.local_rank(to);
      if (cluster.node_of(from) == cluster.node_of(to)) {
        passed = {devices.of(from).out, devices.of(to).in};
      } else {
        passed = {card_of(from).out, card_of(to).in};
        if (cluster.rail_optimized && cluster.spine.present() && from_local != to_local)
          passed.insert(passed.end(), {uplinks.of(from_local).out, uplinks.of(to_local).in});
      }
      flows.add_flow(static_cast<double>(bytes), passed);
    }
  return flows;
}

}  // namespace moesaic
