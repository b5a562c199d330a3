#pragma once
// Rows per expert that other systems recorded, as a routing document, and what it does not say that ours would.

#include <string>
#include <vector>

#include "core/schema/object_reader.h"
#include "core/schema/routing.h"

namespace moesaic {

struct ImportedRouting {
  RoutingDocument routing;
  std::vector<std::string> left_out;  // sentences for people: what was lost, spread evenly, or passed over
};

/// Rows of one iteration without sources: [layers, experts].
using LayerRows = std::vector<std::vector<int64_t>>;

/// Reads [layers, experts]; lists of unequal length are refused.
LayerRows read_layer_rows(const Field& layers);

/// Adds an iteration of one source to a routing of that many layers and experts, which the first one sets. Refuses, at
/// `place`, other sizes than before, and a layer without rows.
void add_iteration(RoutingDocument& routing, const LayerRows& rows, const Field& place);

/// What is said of a recording that sums over sources.
inline constexpr const char* kNoSources = "rows by source are not recorded: every source sends alike";

}  // namespace moesaic
