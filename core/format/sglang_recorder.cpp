#include "core/format/sglang_recorder.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"

namespace moesaic {
namespace {

bool has_rows(const std::vector<int64_t>& experts) {
  return std::any_of(experts.begin(), experts.end(), [](int64_t rows) { return rows > 0; });
}

/// [steps, layers, experts]; a list of lists of numbers is one step.
std::vector<LayerRows> read_steps(const Field& counts) {
  if (counts.size() == 0) counts.refuse("is an empty list", "[steps, layers, experts]");
  if (counts[0].size() == 0) counts[0].refuse("is an empty list", "[layers, experts]");
  if (!counts[0][0].json().is_array()) return {read_layer_rows(counts)};
  std::vector<LayerRows> steps;
  for (size_t step = 0; step < counts.size(); ++step) {
    steps.push_back(read_layer_rows(counts[step]));
    if (steps.back().size() != steps.front().size())
      counts[step].refuse("has " + std::to_string(steps.back().size()) + " layers",
                          std::to_string(steps.front().size()) + " as in the steps before");
  }
  return steps;
}

std::vector<size_t> moe_layers(const std::vector<LayerRows>& steps) {
  std::vector<size_t> layers;
  for (size_t layer = 0; layer < steps.front().size(); ++layer)
    if (std::any_of(steps.begin(), steps.end(), [&](const LayerRows& step) { return has_rows(step[layer]); }))
      layers.push_back(layer);
  return layers;
}

std::string passed_over(size_t dense, size_t layers, int64_t empty, size_t steps) {
  std::string text;
  if (dense > 0)
    text += std::to_string(dense) + " of " + std::to_string(layers) + " layers never have rows: taken for dense ones";
  if (empty > 0)
    text += (text.empty() ? "" : "; ") + std::to_string(empty) + " of " + std::to_string(steps) +
            " steps have no rows: passed over";
  return text;
}

}  // namespace

ImportedRouting read_sglang_recorder(const Json& json, const std::string& file) {
  ObjectReader reader = Field(&json, file, "").object();
  if (reader["records"].present())
    reader["records"].refuse("are tokens one by one", "logical_count, which mode \"stat\" dumps",
                             "record with --expert-distribution-recorder-mode stat");
  const Field counts = reader["logical_count"];
  const std::vector<LayerRows> steps = read_steps(counts);
  const std::vector<size_t> layers = moe_layers(steps);
  if (layers.empty()) counts.refuse("has no rows at all", "a count above 0", "record while requests are served");
  ImportedRouting imported{{}, {kNoSources}};
  int64_t empty = 0;
  for (size_t step = 0; step < steps.size(); ++step) {
    LayerRows rows;
    for (const size_t layer : layers) rows.push_back(steps[step][layer]);
    if (std::none_of(rows.begin(), rows.end(), has_rows)) {
      ++empty;
      continue;
    }
    add_iteration(imported.routing, rows, steps.size() == 1 ? counts : counts[step]);
  }
  const std::string text = passed_over(steps.front().size() - layers.size(), steps.front().size(), empty, steps.size());
  if (!text.empty()) imported.left_out.push_back(text);
  return imported;
}

}  // namespace moesaic
