#pragma once
// The plain FLOPs-and-bytes model: peak rates of the cluster document, one efficiency, no measurement. It is the
// baseline that measured profiles must beat, and no model of its own: a CostModel with this profile prices as the plain
// model does.

#include "core/schema/cluster.h"
#include "core/schema/profile.h"

namespace moesaic {

/// Share that the plain model assumes of both peak rates. For arithmetic it has the origin of that constant, for the
/// memory's bandwidth none: one efficiency is what makes the model plain.
inline constexpr double kPlainEfficiency = kAssumedFlopsEfficiency;

/// A profile without curves: operators cost their roofline at `efficiency`, collectives find no curve and so cost
/// alpha-beta.
Profile plain_profile(const Cluster& cluster, double efficiency = kPlainEfficiency);

}  // namespace moesaic
