#include "core/network/port_parts.h"

#include <numeric>

namespace moesaic {
namespace {

/// Union of sets with halved paths (Tarjan, van Leeuwen 1984).
class PortSets {
 public:
  explicit PortSets(int ports) : parent_(static_cast<size_t>(ports)) { std::iota(parent_.begin(), parent_.end(), 0); }
  int find(int port) {
    while (parent(port) != port) port = parent(port) = parent(parent(port));
    return port;
  }
  void join(int a, int b) { parent(find(a)) = find(b); }

 private:
  int& parent(int port) { return parent_[static_cast<size_t>(port)]; }
  std::vector<int> parent_;
};

/// True where that is all ports and all flows have bytes: nothing to take apart.
bool is_one_part(const PortFlows& network, PortSets& sets) {
  for (int port = 1; port < network.num_ports(); ++port)
    if (sets.find(port) != sets.find(0)) return false;
  for (int flow = 0; flow < network.num_flows(); ++flow)
    if (!(network.bytes(flow) > 0)) return false;
  return true;
}

}  // namespace

std::vector<PortPart> parts_of(const PortFlows& network) {
  PortSets sets(network.num_ports());
  for (int flow = 0; flow < network.num_flows(); ++flow)
    if (network.bytes(flow) > 0)
      for (int port : network.ports(flow).subspan(1)) sets.join(port, network.ports(flow).front());
  std::vector<PortPart> parts;
  if (is_one_part(network, sets)) {
    parts.push_back({network, std::vector<int>(static_cast<size_t>(network.num_flows()))});
    std::iota(parts.front().flows.begin(), parts.front().flows.end(), 0);
    return parts;
  }
  std::vector<int> part_of(static_cast<size_t>(network.num_ports()), -1), number_of(part_of.size(), -1);
  std::vector<int> ports;
  for (int flow = 0; flow < network.num_flows(); ++flow) {
    if (!(network.bytes(flow) > 0)) continue;
    int& part = part_of[static_cast<size_t>(sets.find(network.ports(flow).front()))];
    if (part < 0) {
      part = static_cast<int>(parts.size());
      parts.emplace_back();
    }
    PortPart& home = parts[static_cast<size_t>(part)];
    ports.clear();
    for (int port : network.ports(flow)) {
      int& number = number_of[static_cast<size_t>(port)];
      if (number < 0) number = home.network.add_port(network.capacity(port));
      ports.push_back(number);
    }
    home.network.add_flow(network.bytes(flow), ports);
    home.flows.push_back(flow);
  }
  return parts;
}

}  // namespace moesaic
