#include "core/blocks/head_norm.h"

#include "core/blocks/block.h"
#include "core/blocks/tensor_parallel.h"
#include "core/operators/norms.h"

namespace moesaic {
namespace {

using operands::HeadNormBackward, operands::HeadSums;

/// Of this rank's heads.
OpShape shape_of(const StepBuilder& b) {
  const Model& m = b.model();
  OpShape shape;
  shape.heads = m.num_heads / b.plan().layout.tp;
  shape.kv_heads = own_kv_heads(b);
  shape.head_dim = m.head_dim;
  shape.rms = true;
  shape.whole = m.qk_norm_whole;
  return shape;
}

int64_t row_width(const OpShape& s) { return (s.heads + 2 * s.kv_heads) * s.head_dim; }
/// Inverse root mean squares of a row.
int64_t num_statistics(const OpShape& s) { return s.whole ? 2 : s.heads + s.kv_heads; }
bool spans_ranks(const StepBuilder& b) { return b.model().qk_norm_whole && b.plan().layout.tp > 1; }
std::string gain_name(const StepBuilder& b) { return in_layer(b, "qk_norm"); }

/// Of all ranks of the tensor-parallel group, one rank's rows behind the other's: [tp * rows, 2].
TensorId group_sums(StepBuilder& b, const std::string& what, const NamedOperands& of) {
  const TensorId own = b.activation(in_layer(b, what + ".sums"), group_tokens(b), 2, DType::f32);
  b.task(Op::head_sums, what + " sums", shape_of(b), group_tokens(b), of, {{HeadSums::sums, own}});
  return gather_in_group(b, what + ".sums", own, group_tokens(b).fixed, 2, DType::f32);
}

}  // namespace

void HeadNorm::declare(StepBuilder& b) {
  const Model& m = b.model();
  if (!m.qk_norm) return;
  const std::string name = gain_name(b);
  if (m.qk_norm_whole)
    b.cut_parameter(
        name, cut_rows(name, {m.num_heads * m.head_dim, m.num_kv_heads * m.head_dim}, 1, b.plan().layout.tp), false);
  else
    b.parameter(name, 2 * m.head_dim, false);
}

TensorId HeadNorm::forward(StepBuilder& b, TensorId qkv) {
  if (!b.model().qk_norm) return qkv;
  const OpShape shape = shape_of(b);
  qkv_ = qkv;
  NamedOperands reads = {{operands::HeadNorm::qkv, qkv}, {operands::HeadNorm::gain, b.weight(gain_name(b))}};
  if (spans_ranks(b)) reads.emplace_back(operands::HeadNorm::sums, group_sums(b, "qk_norm", {{HeadSums::qkv, qkv}}));
  statistics_ = b.activation(gain_name(b) + ".statistics", group_tokens(b), num_statistics(shape), DType::f32);
  const TensorId y = b.activation(gain_name(b) + ".out", group_tokens(b), row_width(shape));
  b.task(Op::head_norm, "qk_norm", shape, group_tokens(b), reads,
         {{operands::HeadNorm::y, y}, {operands::HeadNorm::statistics, statistics_}});
  return y;
}

TensorId HeadNorm::backward(StepBuilder& b, TensorId dy) const {
  if (!b.model().qk_norm) return dy;
  const OpShape shape = shape_of(b);
  const TensorId gain = b.weight(gain_name(b));
  NamedOperands reads = {{HeadNormBackward::dy, dy},
                         {HeadNormBackward::qkv, qkv_},
                         {HeadNormBackward::statistics, statistics_},
                         {HeadNormBackward::gain, gain}};
  if (spans_ranks(b))
    reads.emplace_back(HeadNormBackward::sums,
                       group_sums(b, "d_qk_norm", {{HeadSums::qkv, qkv_}, {HeadSums::dy, dy}, {HeadSums::gain, gain}}));
  const TensorId d_qkv = b.activation(gain_name(b) + ".dx", group_tokens(b), row_width(shape));
  b.task(Op::head_norm_backward, "qk_norm", shape, group_tokens(b), reads,
         {{HeadNormBackward::d_qkv, d_qkv}, {HeadNormBackward::d_gain, b.gradient(gain_name(b))}});
  return d_qkv;
}

}  // namespace moesaic
