#pragma once
// What shares no port shares no time: a network of flows falls into parts that are looked at one by one.

#include <vector>

#include "core/network/port_flows.h"

namespace moesaic {

struct PortPart {
  PortFlows network;       // its ports and flows, numbered anew
  std::vector<int> flows;  // [flows of the part], their numbers in the whole
};

/// The connected parts of a network, of the flows with bytes alone, in the order of their first flows.
std::vector<PortPart> parts_of(const PortFlows& network);

}  // namespace moesaic
