#include "core/format/imported_routing.h"

#include <algorithm>

namespace moesaic {
namespace {

constexpr IntegerRange kRows{0, int64_t{1} << 40};  // as routing documents have them

std::string sizes(int64_t layers, int64_t experts) {
  return std::to_string(layers) + " layers of " + std::to_string(experts) + " experts";
}

}  // namespace

LayerRows read_layer_rows(const Field& layers) {
  if (layers.size() == 0) layers.refuse("is an empty list", "a list of rows per expert for every layer");
  LayerRows rows;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    rows.push_back(layers[layer].integers(kRows));
    if (rows.back().empty() || rows.back().size() != rows.front().size())
      layers[layer].refuse("has " + std::to_string(rows.back().size()) + " experts",
                           rows.back().empty() ? "at least one" : std::to_string(rows.front().size()) + " as before");
  }
  return rows;
}

void add_iteration(RoutingDocument& routing, const LayerRows& rows, const Field& place) {
  const auto layers = static_cast<int64_t>(rows.size()), experts = static_cast<int64_t>(rows.front().size());
  if (routing.num_iterations == 0) {
    routing.num_moe_layers = layers;
    routing.num_experts = experts;
    routing.num_sources = 1;
  }
  if (routing.num_moe_layers != layers || routing.num_experts != experts)
    place.refuse("has " + sizes(layers, experts), sizes(routing.num_moe_layers, routing.num_experts) + " as before",
                 "import recordings of one model apart from those of another");
  for (int64_t layer = 0; layer < layers; ++layer) {
    const std::vector<int64_t>& own = rows[static_cast<size_t>(layer)];
    if (std::all_of(own.begin(), own.end(), [](int64_t count) { return count == 0; }))
      place.refuse("routes no rows in layer " + std::to_string(layer), "a count above 0 in every layer",
                   "leave this step out");
    routing.counts.insert(routing.counts.end(), own.begin(), own.end());
  }
  ++routing.num_iterations;
}

}  // namespace moesaic
