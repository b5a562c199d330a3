#include "planner/prices/layer_classes.h"

#include <map>
#include <utility>

namespace moesaic::planner {
namespace {

bool flag(const std::vector<bool>& flags, size_t layer) { return layer < flags.size() && flags[layer]; }

std::vector<bool> chosen(const std::vector<bool>& flags, const std::vector<int>& layers) {
  if (flags.empty()) return {};
  std::vector<bool> of_chosen;
  for (const int layer : layers) of_chosen.push_back(flags[static_cast<size_t>(layer)]);
  return of_chosen;
}

}  // namespace

LayerClasses layer_classes(const Model& model) {
  LayerClasses classes;
  std::map<std::pair<bool, bool>, int> known;
  for (size_t layer = 0; layer < static_cast<size_t>(model.num_layers); ++layer) {
    const std::pair made_of(flag(model.moe_layers, layer), flag(model.windowed_layers, layer));
    classes.of_layer.push_back(known.try_emplace(made_of, static_cast<int>(known.size())).first->second);
  }
  classes.count = static_cast<int>(known.size());
  classes.before.emplace_back();
  for (const int of_class : classes.of_layer) {
    classes.before.push_back(classes.before.back());
    ++classes.before.back()[static_cast<size_t>(of_class)];
  }
  return classes;
}

std::vector<int> first_of_each_class(const LayerClasses& classes, int most) {
  std::vector<int> seen(static_cast<size_t>(classes.count), 0), layers;
  for (size_t layer = 0; layer < classes.of_layer.size(); ++layer)
    if (seen[static_cast<size_t>(classes.of_layer[layer])]++ < most) layers.push_back(static_cast<int>(layer));
  return layers;
}

Model with_layers(const Model& model, const std::vector<int>& layers) {
  Model part = model;
  part.num_layers = static_cast<int64_t>(layers.size());
  part.moe_layers = chosen(model.moe_layers, layers);
  part.windowed_layers = chosen(model.windowed_layers, layers);
  if (model.recurrent) part.recurrent->layers = chosen(model.recurrent->layers, layers);
  return part;
}

}  // namespace moesaic::planner
