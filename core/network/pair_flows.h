#pragma once
// The flows of an all-to-all, one per pair of members, and the ports of the cluster that each passes.

#include <vector>

#include "core/network/collective_demand.h"
#include "core/network/port_flows.h"

namespace moesaic {

/// Ports as in alpha_beta_seconds, both directions of each: the intra-node port of a member for pairs within a node,
/// else its network card, and the uplinks of both rails where the bytes leave theirs. Latency and messages are left
/// out. Flows are in the order of (from, to), empty pairs and what a member keeps left out.
/// Throws InvariantError where a link is needed that the cluster does not have.
PortFlows all_to_all_flows(const std::vector<int>& group, const PairBytes& pair_bytes, const Cluster& cluster);

}  // namespace moesaic
