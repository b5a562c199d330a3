#pragma once
// What hierarchical storage asks of each tier: the three inequalities of SE-MoE (arXiv 2205.10034, section 3.2.1). They
// count training states only; activations and the rest of a real plan are the simulator's.

#include <string>

#include "core/schema/cluster.h"
#include "core/schema/model.h"

namespace moesaic::planner {

/// Bytes over the whole cluster, for D dense and S sparse parameters in L MoE layers:
///   device   16 D + 4 alpha S / L   (all dense states; weights and gradients of one layer's active experts, 2 bytes
///   each) host     16 alpha S             (all states of the active experts) storage  12 S                   (master
///   weights and both moments of every expert)
struct TierNeeds {
  double device = 0, host = 0, storage = 0;
};

/// active_share: alpha in [0, 1], the share of experts that a step activates.
TierNeeds tier_needs(const Model& model, double active_share);

/// Which inequality the cluster breaks, with both sides in words; "" when all hold. Device memory is that of all
/// devices, host memory and storage those of all nodes.
std::string tier_shortage(const TierNeeds& needs, const Cluster& cluster);

}  // namespace moesaic::planner
