#include "core/cost/signature.h"

#include "core/schema/error.h"

namespace moesaic {
namespace {

struct Dimension {
  const char* name;
  int64_t OpShape::*member;
};
constexpr Dimension kNamedDimensions[] = {{"n", &OpShape::n},
                                          {"k", &OpShape::k},
                                          {"sequence", &OpShape::sequence},
                                          {"window", &OpShape::window},
                                          {"heads", &OpShape::heads},
                                          {"kv_heads", &OpShape::kv_heads},
                                          {"head_dim", &OpShape::head_dim},
                                          {"value_dim", &OpShape::value_dim},
                                          {"top_k", &OpShape::top_k}};

struct Flag {
  const char* name;
  bool OpShape::*member;
};
constexpr Flag kFlags[] = {
    {"gated", &OpShape::gated}, {"rms", &OpShape::rms}, {"causal_square", &OpShape::causal_square}};

bool set_dimension(OpShape& shape, const std::string& name, int64_t value) {
  for (const Dimension& dimension : kNamedDimensions)
    if (name == dimension.name) return shape.*dimension.member = value, true;
  for (const Flag& flag : kFlags)
    if (name == flag.name) return shape.*flag.member = value != 0, true;
  return false;
}

}  // namespace

DType curve_dtype(Op op, DType dtype) { return is_matrix_product(op) || moves_rows(op) ? dtype : DType::f32; }

std::string signature_of(Op op, DType dtype, const OpShape& shape) {
  std::string signature = std::string(name_of(op)) + '|' + name_of(curve_dtype(op, dtype));
  char separator = '|';
  for (const auto& [name, value] : dimensions_of(shape)) {
    signature.append(1, separator).append(name).append(1, '=').append(std::to_string(value));
    separator = ',';
  }
  return signature;
}

std::string signature_of(const OperatorCurve& curve) {
  const auto op = op_named(curve.op);
  if (!op)
    throw InputError("profile", "/operators", "unknown operator '" + curve.op + "'", "the name of an operator",
                     "measure the profile again with this version");
  return signature_of(*op, curve.dtype, shape_of(curve.fixed));
}

OpShape shape_of(const std::map<std::string, int64_t>& dimensions) {
  OpShape shape;
  for (const auto& [name, value] : dimensions)
    if (!set_dimension(shape, name, value))
      throw InputError(
          "profile", "/operators", "unknown dimension '" + name + "'",
          "n, k, sequence, window, heads, kv_heads, head_dim, value_dim, top_k, gated, rms or causal_square",
          "measure the profile again with this version");
  return shape;
}

}  // namespace moesaic
