#include "core/blocks/attention.h"

#include "core/blocks/tensor_parallel.h"
#include "core/operators/attention.h"

namespace moesaic {
namespace {

using operands::Attention, operands::AttentionBackward;

LinearLayer qkv_projection(const StepBuilder& b) {
  const int64_t heads = b.model().num_heads / b.plan().layout.tp + 2 * own_kv_heads(b);
  return {"qkv", in_layer(b, "qkv"), heads * b.model().head_dim, b.model().hidden, group_tokens(b)};
}

/// Of this rank's heads.
OpShape attention_shape(const StepBuilder& b) {
  OpShape shape = keys_shape(b);
  shape.heads = b.model().num_heads / b.plan().layout.tp;
  shape.kv_heads = own_kv_heads(b);
  shape.head_dim = b.model().head_dim;
  return shape;
}

}  // namespace

DType cache_dtype(const StepBuilder& b) { return b.plan().workload.kv_cache_dtype.value_or(b.activation_dtype()); }

int64_t attention_width(const StepBuilder& b) { return b.model().attention_width() / b.plan().layout.tp; }

void AttentionBlock::declare_projections(StepBuilder& b) const {
  const Model& m = b.model();
  const int64_t q = m.num_heads * m.head_dim;
  const RowBlock kv(m.num_kv_heads * m.head_dim, kv_sharers(b));
  const std::string name = in_layer(b, "qkv");
  b.cut_parameter(name, cut_rows(name, {q, kv, kv}, m.hidden, b.plan().layout.tp), true);
  HeadNorm::declare(b);
}

int64_t AttentionBlock::cached_elements(const StepBuilder& b) const {
  return b.model().cached_elements() / b.model().num_kv_heads * own_kv_heads(b);
}

OpShape keys_shape(const StepBuilder& b) {
  const int64_t sequence = b.plan().workload.sequence_length;
  const int64_t in_sight = b.model().keys_in_sight(b.scope().layer, sequence);
  OpShape shape;
  shape.causal_square = b.plan().workload.phase != WorkloadPhase::decode;
  shape.sequence = shape.causal_square ? sequence : in_sight;
  shape.window = shape.causal_square && in_sight < sequence ? in_sight : 0;
  return shape;
}

TensorId saved_sums(StepBuilder& b) {
  return b.activation(in_layer(b, "attention_saved"), group_tokens(b), b.model().num_heads / b.plan().layout.tp,
                      DType::f32);
}

LinearLayer AttentionBlock::out_projection(const StepBuilder& b) const {
  return {"out", in_layer(b, "out"), b.model().hidden, attention_width(b), group_tokens(b)};
}

void AttentionBlock::declare(StepBuilder& b) const {
  const Model& m = b.model();
  NormLayer::declare(b, in_layer(b, "norm1"));
  declare_projections(b);
  const std::string out = in_layer(b, "out");
  b.cut_parameter(out, cut_columns(out, m.hidden, m.attention_width(), b.plan().layout.tp), true);
  if (!b.training()) declare_cache(b);
}

/// Of the keys in sight, of a tensor-parallel group's tokens.
void AttentionBlock::declare_cache(StepBuilder& b) const {
  const int64_t keys = b.model().keys_in_sight(b.scope().layer, b.plan().workload.sequence_length);
  const int64_t tokens = keys * b.sequences() * b.plan().layout.tp / b.plan().layout.token_copies();
  b.resident(in_layer(b, "kv_cache"), TensorKind::input, cached_elements(b) * tokens, cache_dtype(b));
}

TensorId AttentionBlock::attend(StepBuilder& b, TensorId normed) {
  const RowCount rows = group_tokens(b);
  normed_ = gather_rows(b, "norm1", normed);
  qkv_ = head_norm_.forward(b, qkv_projection(b).forward(b, normed_, in_layer(b, "qkv.out")));
  attended_ = b.activation(in_layer(b, "attended"), rows, attention_width(b));
  saved_ = saved_sums(b);
  Task& attention = b.task(Op::attention, "attention", attention_shape(b), rows, {{Attention::qkv, qkv_}},
                           {{Attention::out, attended_}, {Attention::saved, saved_}});
  if (b.decodes()) attention.stored_dtype = cache_dtype(b);
  return attended_;
}

TensorId AttentionBlock::forward(StepBuilder& b, TensorId x) {
  const TensorId attended = attend(b, norm_.forward(b, in_layer(b, "norm1"), x, b.tokens()));
  const TensorId projected = sum_rows(b, "out", out_projection(b).forward(b, attended, in_layer(b, "out.out")));
  return add_residual(b, "attention", x, projected, "attention_sum");
}

TensorId AttentionBlock::attend_backward(StepBuilder& b, TensorId d_attended) {
  const LinearLayer qkv = qkv_projection(b);
  const TensorId d_attention = b.activation(in_layer(b, "d_qkv"), qkv.rows, qkv.out);
  b.task(Op::attention_backward, "attention", attention_shape(b), qkv.rows,
         {{AttentionBackward::d_out, d_attended},
          {AttentionBackward::qkv, qkv_},
          {AttentionBackward::out, attended_},
          {AttentionBackward::saved, saved_}},
         {{AttentionBackward::d_qkv, d_attention}});
  const TensorId d_qkv = head_norm_.backward(b, d_attention);
  const TensorId d_normed = sum_rows(b, "d_norm1", qkv.input_gradient(b, d_qkv, in_layer(b, "d_norm1")));
  qkv.weight_gradient(b, d_qkv, normed_);
  return d_normed;
}

TensorId AttentionBlock::backward(StepBuilder& b, TensorId dy) {
  const LinearLayer out = out_projection(b);
  const TensorId d_out = gather_rows(b, "d_out", dy);
  const TensorId d_attended = out.input_gradient(b, d_out, in_layer(b, "d_attended"));
  out.weight_gradient(b, d_out, attended_);
  return norm_.backward(b, attend_backward(b, d_attended), dy);
}

}  // namespace moesaic
