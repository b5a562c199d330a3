#include "planner/placement/idle_experts.h"

#include <algorithm>

namespace moesaic::planner {
namespace {

int64_t idle_in(const RoutingDocument& routing, int64_t layer) {
  std::vector<int64_t> rows(static_cast<size_t>(routing.num_experts), 0);
  for (int64_t iteration = 0; iteration < routing.num_iterations; ++iteration) {
    const int64_t first = (iteration * routing.num_moe_layers + layer) * routing.num_sources * routing.num_experts;
    for (int64_t i = 0; i < routing.num_sources * routing.num_experts; ++i)
      rows[static_cast<size_t>(i % routing.num_experts)] += routing.counts[static_cast<size_t>(first + i)];
  }
  return std::count(rows.begin(), rows.end(), 0);
}

}  // namespace

std::string idle_experts_remark(const RoutingDocument& routing) {
  if (!routing.recorded()) return "";
  int64_t most = 0, where = 0, layers = 0;
  for (int64_t layer = 0; layer < routing.num_moe_layers; ++layer) {
    const int64_t idle = idle_in(routing, layer);
    layers += idle > 0 ? 1 : 0;
    if (idle <= most) continue;
    most = idle;
    where = layer;
  }
  if (most == 0) return "";
  std::string text = std::to_string(most) + " of " + std::to_string(routing.num_experts) +
                     " experts got no rows in MoE layer " + std::to_string(where) + " of the routing" +
                     (routing.name.empty() ? "" : " " + routing.name);
  if (layers > 1) text += " (some got none in " + std::to_string(layers) + " layers)";
  return text + ": was it recorded on all ranks, and long enough?";
}

}  // namespace moesaic::planner
