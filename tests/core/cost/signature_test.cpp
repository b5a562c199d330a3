#include "core/cost/signature.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"

namespace moesaic {
namespace {

OperatorCurve curve_of(Op op, DType dtype, const OpShape& shape) {
  const auto dimensions = dimensions_of(shape);
  return {name_of(op), dtype, {dimensions.begin(), dimensions.end()}, {1}, {1e-6}, Provenance::measured};
}

/// Every dimension set, each to its own value.
OpShape full_shape() {
  return {.n = 1,
          .k = 2,
          .sequence = 3,
          .window = 8,
          .heads = 4,
          .kv_heads = 5,
          .head_dim = 6,
          .value_dim = 9,
          .top_k = 7,
          .gated = true,
          .rms = true,
          .causal_square = true};
}

TEST(Signature, SpellsOperatorDtypeAndDimensions) {
  EXPECT_EQ(signature_of(Op::linear, DType::bf16, {.n = 512, .k = 128}), "linear|bf16|n=512,k=128");
  EXPECT_EQ(signature_of(Op::adamw, DType::f32, {}), "adamw|f32");
}

TEST(Signature, OnlyMatrixProductsAndMovedRowsHaveAnotherDtypeThanF32) {
  EXPECT_EQ(signature_of(Op::permute, DType::bf16, {.k = 128, .top_k = 2}), "permute|bf16|k=128,top_k=2");
  EXPECT_EQ(signature_of(Op::regroup, DType::bf16, {.k = 128}), "regroup|bf16|k=128");
  EXPECT_EQ(signature_of(Op::regroup, DType::f32, {.k = 128}), "regroup|f32|k=128");
  EXPECT_EQ(signature_of(Op::norm, DType::bf16, {.k = 128, .rms = true}), "norm|f32|k=128,rms=1");
  EXPECT_EQ(signature_of(curve_of(Op::norm, DType::bf16, {.k = 128})), "norm|f32|k=128");
}

TEST(Signature, OfACurveIsThatOfItsTask) {
  for (int i = 0; i < kNumOps; ++i) {
    const Op op = static_cast<Op>(i);
    const OperatorCurve curve = curve_of(op, DType::bf16, full_shape());
    EXPECT_EQ(signature_of(curve), signature_of(op, DType::bf16, full_shape()));
    EXPECT_EQ(shape_of(curve.fixed), full_shape());
  }
}

TEST(Signature, RefusesUnknownOperatorsAndDimensions) {
  OperatorCurve curve = curve_of(Op::linear, DType::f32, full_shape());
  curve.fixed["width"] = 3;
  EXPECT_THROW(signature_of(curve), InputError);
  curve = curve_of(Op::linear, DType::f32, full_shape());
  curve.op = "convolution";
  EXPECT_THROW(signature_of(curve), InputError);
}

}  // namespace
}  // namespace moesaic
