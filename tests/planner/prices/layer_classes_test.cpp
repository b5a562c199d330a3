#include "planner/prices/layer_classes.h"

#include <gtest/gtest.h>

namespace moesaic::planner {
namespace {

/// A dense layer, then experts; windows in every other layer.
Model model() {
  Model model;
  model.num_layers = 6;
  model.moe_layers = {false, true, true, true, true, true};
  model.windowed_layers = {true, false, true, false, true, false};
  return model;
}

// Dense with a window; experts without; experts with one.
TEST(LayerClasses, TellLayersApartByWhatTheyAreMadeOf) {
  const LayerClasses classes = layer_classes(model());
  EXPECT_EQ(classes.count, 3);
  EXPECT_EQ(classes.of_layer, (std::vector<int>{0, 1, 2, 1, 2, 1}));
  EXPECT_EQ(classes.number_in(1, {0, 6}), 3);
  EXPECT_EQ(classes.number_in(2, {3, 5}), 1);
}

TEST(LayerClasses, SampleTheFirstOfEach) {
  EXPECT_EQ(first_of_each_class(layer_classes(model()), 2), (std::vector<int>{0, 1, 2, 3, 4}));
  const Model part = with_layers(model(), {0, 3, 4});
  EXPECT_EQ(part.num_layers, 3);
  EXPECT_EQ(part.moe_layers, (std::vector<bool>{false, true, true}));
  EXPECT_EQ(part.windowed_layers, (std::vector<bool>{true, false, true}));
}

}  // namespace
}  // namespace moesaic::planner
