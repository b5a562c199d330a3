#pragma once
// Experts to which a recording sends no rows: placement has nothing to go by for them.

#include <string>

#include "core/schema/routing.h"

namespace moesaic::planner {

/// "240 of 256 experts got no rows in MoE layer 3 of routing ...": the layer with most of them, "" where every expert
/// of every layer has rows or nothing was recorded. An expert without rows keeps a slot; where most have none, the
/// recording was made on one rank, or is short.
std::string idle_experts_remark(const RoutingDocument& routing);

}  // namespace moesaic::planner
