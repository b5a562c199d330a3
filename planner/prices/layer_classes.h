#pragma once
// Layers that lower to the same tasks: a price of one is the price of all of its class.

#include <array>
#include <vector>

#include "core/graph/stages.h"

namespace moesaic::planner {

/// Classes by what a layer is made of: experts or a dense FFN, attention with a window or without.
constexpr size_t kMostLayerClasses = 4;
/// A number of each class; 0 for classes that a model does not have.
using OfLayerClasses = std::array<double, kMostLayerClasses>;

struct LayerClasses {
  int count = 0;
  std::vector<int> of_layer;  // [num_layers]

  std::vector<std::array<int, kMostLayerClasses>> before;  // [num_layers + 1]: layers of each class before one

  /// Layers of a class among some.
  int number_in(int of_class, LayerRange layers) const {
    return before[static_cast<size_t>(layers.last)][static_cast<size_t>(of_class)] -
           before[static_cast<size_t>(layers.first)][static_cast<size_t>(of_class)];
  }
};
LayerClasses layer_classes(const Model& model);

/// The first `most` layers of each class, ascending.
std::vector<int> first_of_each_class(const LayerClasses& classes, int most);

/// The model with these of its layers alone.
Model with_layers(const Model& model, const std::vector<int>& layers);

}  // namespace moesaic::planner
