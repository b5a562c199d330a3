#pragma once
// Flows that share ports: what a max-min share is asked about. It holds no rates and no times.

#include <cstdint>
#include <span>
#include <vector>

#include "core/schema/units.h"

namespace moesaic {

/// A port is one direction of a link (or of several that act as one); a flow passes all of its ports at once.
class PortFlows {
 public:
  /// Returns the port's number. Capacities are finite and above 0.
  int add_port(BytesPerSecond capacity);

  /// At least one port, none twice. Returns the flow's number. Fractions of a byte count; a flow of 0 bytes ends at
  /// once.
  int add_flow(double bytes, std::span<const int> ports);

  int num_ports() const { return static_cast<int>(capacities_.size()); }
  int num_flows() const { return static_cast<int>(bytes_.size()); }
  BytesPerSecond capacity(int port) const { return capacities_[static_cast<size_t>(port)]; }
  double bytes(int flow) const { return bytes_[static_cast<size_t>(flow)]; }
  std::span<const int> ports(int flow) const {
    const auto first = static_cast<size_t>(first_port_[static_cast<size_t>(flow)]);
    return {ports_.data() + first, static_cast<size_t>(first_port_[static_cast<size_t>(flow) + 1]) - first};
  }
  int most_ports_of_a_flow() const { return most_ports_; }

  /// Bytes through the busiest port over its capacity: no way of sharing ends all flows earlier.
  Seconds busiest_port_seconds() const;

 private:
  std::vector<BytesPerSecond> capacities_;  // [ports]
  std::vector<double> bytes_;               // [flows]
  std::vector<int64_t> first_port_ = {0};   // [flows + 1], into ports_
  std::vector<int> ports_;
  int most_ports_ = 0;
};

}  // namespace moesaic
