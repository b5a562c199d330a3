// Attention: x + out(attention(qkv(norm1(x)))). Rotary positions are part of the attention operator. With tensor
// parallelism each rank has its part of the heads.
#include "core/graph/blocks.h"
#include "core/operators/activations.h"
#include "core/operators/attention.h"
#include "core/operators/products.h"

namespace moesaic {
namespace {

using operands::Add, operands::Attention, operands::AttentionBackward, operands::Linear, operands::LinearDgrad,
    operands::LinearWgrad;

/// Of the layer in scope. A window that hides no key is none; a decode step's one query has as many keys as it sees.
OpShape attention_shape(const StepBuilder& b) {
  const Model& m = b.model();
  OpShape shape;
  const int64_t sequence = b.plan().workload.sequence_length;
  const int64_t in_sight = m.keys_in_sight(b.scope().layer, sequence);
  shape.causal_square = b.plan().workload.phase != WorkloadPhase::decode;
  shape.sequence = shape.causal_square ? sequence : in_sight;
  shape.window = shape.causal_square && in_sight < sequence ? in_sight : 0;
  shape.heads = m.num_heads / b.plan().layout.tp;
  shape.kv_heads = m.latent_attention ? m.num_heads : m.num_kv_heads / b.plan().layout.tp;
  shape.head_dim =
      m.latent_attention ? m.latent_attention->qk_nope_head_dim + m.latent_attention->qk_rope_head_dim : m.head_dim;
  return shape;
}

/// Elements of queries, keys and values of one token, as attention reads them.
int64_t qkv_row(const StepBuilder& b) {
  const OpShape s = attention_shape(b);
  return (s.heads + s.kv_heads) * s.head_dim +
         s.kv_heads * (b.model().latent_attention ? b.model().latent_attention->v_head_dim : s.head_dim);
}

/// Of this rank.
int64_t qkv_width(const StepBuilder& b) { return b.model().qkv_width() / b.plan().layout.tp; }
int64_t attention_width(const StepBuilder& b) { return b.model().attention_width() / b.plan().layout.tp; }

/// One projection of a chain: reads `x` [tokens, in], writes a new tensor [tokens, out].
TensorId project(StepBuilder& b, const std::string& name, TensorId x, int64_t out, int64_t in) {
  const TensorId y = b.activation(in_layer(b, name) + ".out", group_tokens(b), out);
  b.task(Op::linear, name, linear_shape(out, in), group_tokens(b),
         {{Linear::x, x}, {Linear::w, b.weight(in_layer(b, name))}}, {{Linear::y, y}});
  return y;
}

/// DeepSeek's latent attention in inference: low-rank projections to queries, keys and values.
TensorId latent_projections(StepBuilder& b, TensorId x) {
  const Model& m = b.model();
  const LatentAttention& l = *m.latent_attention;
  const int64_t q_width = m.num_heads * (l.qk_nope_head_dim + l.qk_rope_head_dim);
  const TensorId q = l.q_lora_rank > 0
                         ? project(b, "q_b", project(b, "q_a", x, l.q_lora_rank, m.hidden), q_width, l.q_lora_rank)
                         : project(b, "q_b", x, q_width, m.hidden);
  const TensorId latent = project(b, "kv_a", x, l.kv_lora_rank + l.qk_rope_head_dim, m.hidden);
  const TensorId kv = b.activation(in_layer(b, "kv_b.out"), b.tokens(), qkv_row(b));
  const int64_t kv_width = m.num_heads * (l.qk_nope_head_dim + l.v_head_dim);
  b.task(Op::linear, "kv_b", linear_shape(kv_width, l.kv_lora_rank), b.tokens(),
         {{Linear::x, latent}, {Linear::w, b.weight(in_layer(b, "kv_b"))}, {Linear::queries, q}}, {{Linear::y, kv}});
  return kv;
}

}  // namespace

void declare_attention(StepBuilder& b, int layer) {
  const Model& m = b.model();
  const std::string prefix = "layers." + std::to_string(layer) + ".";
  const int64_t tp = b.plan().layout.tp;
  const int64_t norm_rows = m.norm == Norm::layer_norm ? 2 : 1;
  b.parameter(prefix + "norm1", norm_rows * m.hidden, false);
  if (m.latent_attention) {
    const LatentAttention& l = *m.latent_attention;
    const int64_t q_width = m.num_heads * (l.qk_nope_head_dim + l.qk_rope_head_dim);
    if (l.q_lora_rank > 0) b.parameter(prefix + "q_a", l.q_lora_rank * m.hidden, true);
    b.parameter(prefix + "q_b", q_width * (l.q_lora_rank > 0 ? l.q_lora_rank : m.hidden), true);
    b.parameter(prefix + "kv_a", (l.kv_lora_rank + l.qk_rope_head_dim) * m.hidden, true);
    b.parameter(prefix + "kv_b", m.num_heads * (l.qk_nope_head_dim + l.v_head_dim) * l.kv_lora_rank, true);
  } else {
    const int64_t q = m.num_heads * m.head_dim, kv = m.num_kv_heads * m.head_dim;
    b.cut_parameter(prefix + "qkv", cut_rows(prefix + "qkv", {q, kv, kv}, m.hidden, tp), true);
  }
  b.cut_parameter(prefix + "out", cut_columns(prefix + "out", m.hidden, m.attention_width(), tp), true);
  if (!b.training()) {  // key-value cache: of the keys in sight; latent vectors where attention is latent
    const int64_t per_token = m.latent_attention
                                  ? m.latent_attention->kv_lora_rank + m.latent_attention->qk_rope_head_dim
                                  : 2 * m.num_kv_heads * m.head_dim;
    const int64_t tokens = m.keys_in_sight(layer, b.plan().workload.sequence_length) * b.sequences();
    b.resident(prefix + "kv_cache", TensorKind::input, per_token * tokens, b.activation_dtype());
  }
}

TensorId attention_forward(StepBuilder& b, TensorId x, Saved& saved) {
  const Model& m = b.model();
  const RowCount rows = group_tokens(b);
  norm_forward(b, in_layer(b, "norm1"), x, b.tokens(), saved);
  saved.normed = gather_rows(b, "norm1", saved.normed);
  saved.qkv = m.latent_attention ? latent_projections(b, saved.normed)
                                 : project(b, "qkv", saved.normed, qkv_width(b), m.hidden);
  saved.attended = b.activation(in_layer(b, "attended"), rows, attention_width(b));
  saved.attention_saved = b.activation(in_layer(b, "attention_saved"), rows, attention_shape(b).heads, DType::f32);
  b.task(Op::attention, "attention", attention_shape(b), rows, {{Attention::qkv, saved.qkv}},
         {{Attention::out, saved.attended}, {Attention::saved, saved.attention_saved}});
  const TensorId projected = sum_rows(b, "out", project(b, "out", saved.attended, m.hidden, attention_width(b)));
  const TensorId sum = b.activation(in_layer(b, "attention_sum"), b.tokens(), m.hidden);
  b.task(Op::add, "attention residual", width_shape(m.hidden), b.tokens(), {{Add::a, x}, {Add::b, projected}},
         {{Add::sum, sum}});
  return sum;
}

TensorId attention_backward(StepBuilder& b, TensorId dy, const Saved& saved) {
  const Model& m = b.model();
  const RowCount rows = group_tokens(b);
  const TensorId d_out = gather_rows(b, "d_out", dy);
  const TensorId d_attended = b.activation(in_layer(b, "d_attended"), rows, attention_width(b));
  b.task(Op::linear_dgrad, "out dgrad", linear_shape(m.hidden, attention_width(b)), rows,
         {{LinearDgrad::dy, d_out}, {LinearDgrad::w, b.weight(in_layer(b, "out"))}}, {{LinearDgrad::dx, d_attended}});
  b.task(Op::linear_wgrad, "out wgrad", linear_shape(m.hidden, attention_width(b)), rows,
         {{LinearWgrad::dy, d_out}, {LinearWgrad::x, saved.attended}},
         {{LinearWgrad::dw, b.gradient(in_layer(b, "out"))}});
  const TensorId d_qkv = b.activation(in_layer(b, "d_qkv"), rows, qkv_width(b));
  b.task(Op::attention_backward, "attention", attention_shape(b), rows,
         {{AttentionBackward::d_out, d_attended},
          {AttentionBackward::qkv, saved.qkv},
          {AttentionBackward::out, saved.attended},
          {AttentionBackward::saved, saved.attention_saved}},
         {{AttentionBackward::d_qkv, d_qkv}});
  const TensorId partial = b.activation(in_layer(b, "d_norm1"), rows, m.hidden);
  b.task(Op::linear_dgrad, "qkv dgrad", linear_shape(qkv_width(b), m.hidden), rows,
         {{LinearDgrad::dy, d_qkv}, {LinearDgrad::w, b.weight(in_layer(b, "qkv"))}}, {{LinearDgrad::dx, partial}});
  const TensorId d_normed = sum_rows(b, "d_norm1", partial);
  b.task(Op::linear_wgrad, "qkv wgrad", linear_shape(qkv_width(b), m.hidden), rows,
         {{LinearWgrad::dy, d_qkv}, {LinearWgrad::x, saved.normed}},
         {{LinearWgrad::dw, b.gradient(in_layer(b, "qkv"))}});
  return norm_backward_and_add(b, in_layer(b, "norm1"), d_normed, dy, b.tokens(), saved);
}

}  // namespace moesaic
