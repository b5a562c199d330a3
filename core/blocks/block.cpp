#include "core/blocks/block.h"

namespace moesaic {

std::string in_layer(const StepBuilder& b, const std::string& name) {
  return "layers." + std::to_string(b.scope().layer) + "." + name;
}

OpShape linear_shape(int64_t out, int64_t in) {
  OpShape shape;
  shape.n = out;
  shape.k = in;
  return shape;
}

OpShape width_shape(int64_t width) {
  OpShape shape;
  shape.k = width;
  return shape;
}

OpShape activation_shape(const StepBuilder& b, int64_t width) {
  OpShape shape;
  shape.n = width;
  shape.gated = b.model().activation == Activation::swiglu;
  return shape;
}

int64_t up_matrices(const Model& model) { return model.activation == Activation::swiglu ? 2 : 1; }

}  // namespace moesaic
