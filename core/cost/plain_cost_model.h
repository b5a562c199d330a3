#pragma once
// The plain FLOPs-and-bytes model: peak rates of the cluster document, one efficiency, no measurement. It is the
// baseline that measured profiles must beat, and no model of its own: a CostModel with this profile prices as the plain
// model does.

#include "core/schema/cluster.h"
#include "core/schema/profile.h"

namespace moesaic {

/// Share of peak rates that the plain model assumes. Origin: Megatron-LM reaches 44 to 52 % of the A100's peak
/// (arXiv 2104.04473, table 1).
inline constexpr double kPlainEfficiency = 0.5;

/// A profile without curves: operators cost their roofline at `efficiency`, collectives find no curve and so cost
/// alpha-beta.
Profile plain_profile(const Cluster& cluster, double efficiency = kPlainEfficiency);

}  // namespace moesaic
