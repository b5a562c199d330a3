#include "core/format/imported_routing.h"

#include <algorithm>

#include "core/schema/model_limits.h"

namespace moesaic {
namespace {

std::string sizes(int64_t layers, int64_t experts) {
  return std::to_string(layers) + " layers of " + std::to_string(experts) + " experts";
}

}  // namespace

LayerRows read_layer_rows(const Field& layers) {
  if (layers.size() == 0) layers.refuse("is an empty list", "a list of rows per expert for every layer");
  LayerRows rows;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    rows.push_back(layers[layer].integers(kRoutedRows));
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
  ++routing.num_iterations;
  if (has_too_many_counts(routing.shape()))
    place.refuse("makes more than " + std::to_string(kMostCounts) + " rows per expert of this recording",
                 "fewer steps");
  for (int64_t layer = 0; layer < layers; ++layer) {
    const std::vector<int64_t>& own = rows[static_cast<size_t>(layer)];
    const int64_t most = *std::max_element(own.begin(), own.end());
    if (most == 0)
      place.refuse("routes no rows in layer " + std::to_string(layer), "a count above 0 in every layer",
                   "leave this step out");
    if (most > kRoutedRows.most)
      place.refuse("has " + std::to_string(most) + " rows for an expert of layer " + std::to_string(layer),
                   "at most " + std::to_string(kRoutedRows.most));
    routing.counts.insert(routing.counts.end(), own.begin(), own.end());
  }
}

}  // namespace moesaic
