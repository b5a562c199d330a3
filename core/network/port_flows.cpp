#include "core/network/port_flows.h"

#include <algorithm>
#include <cmath>

#include "core/schema/error.h"

namespace moesaic {

int PortFlows::add_port(BytesPerSecond capacity) {
  MOESAIC_CHECK(capacity > 0 && std::isfinite(capacity), "a port has a bandwidth above 0");
  capacities_.push_back(capacity);
  return num_ports() - 1;
}

int PortFlows::add_flow(double bytes, std::span<const int> ports) {
  MOESAIC_CHECK(bytes >= 0 && std::isfinite(bytes), "a flow cannot have a negative number of bytes");
  MOESAIC_CHECK(!ports.empty(), "a flow passes at least one port");
  for (auto port = ports.begin(); port != ports.end(); ++port)
    MOESAIC_CHECK(*port >= 0 && *port < num_ports() && std::find(ports.begin(), port, *port) == port,
                  "a flow passes ports that exist, each once");
  bytes_.push_back(bytes);
  ports_.insert(ports_.end(), ports.begin(), ports.end());
  first_port_.push_back(static_cast<int64_t>(ports_.size()));
  most_ports_ = std::max(most_ports_, static_cast<int>(ports.size()));
  return num_flows() - 1;
}

Seconds PortFlows::busiest_port_seconds() const {
  std::vector<double> load(capacities_.size(), 0);
  for (int flow = 0; flow < num_flows(); ++flow)
    for (int port : ports(flow)) load[static_cast<size_t>(port)] += bytes(flow);
  Seconds busiest = 0;
  for (size_t port = 0; port < load.size(); ++port) busiest = std::max(busiest, load[port] / capacities_[port]);
  return busiest;
}

}  // namespace moesaic
