#pragma once
// Which experts of a layer to prefetch for the next iteration, by the rule of SE-MoE (section 3.2.2): those that this
// iteration's router chose. It learns nothing, and needs no communication: every rank has the counts from the router's
// own exchange.

#include <cstdint>
#include <span>
#include <vector>

#include "core/schema/routing.h"

namespace moesaic {

/// The weakest form of routing that it accepts: rows per expert of one iteration, drawn or recorded.
inline constexpr RoutingForm kPredictorReads = RoutingForm::generator;

/// `rows`: what this iteration's router sent to each expert of one layer, [num_experts]. Experts with rows, ascending.
std::vector<int64_t> predict_active_experts(std::span<const int64_t> rows);

}  // namespace moesaic
