#include "core/blocks/latent_attention.h"

#include "core/blocks/tensor_parallel.h"
#include "core/operators/products.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

using operands::Linear;

/// Widths of one token, in elements.
struct Widths {
  explicit Widths(const Model& m)
      : queries(m.num_heads * (m.latent_attention->qk_nope_head_dim + m.latent_attention->qk_rope_head_dim)),
        q_rank(m.latent_attention->q_lora_rank),
        latent(m.latent_attention->kv_lora_rank + m.latent_attention->qk_rope_head_dim),
        kv_rank(m.latent_attention->kv_lora_rank),
        kv(m.num_heads * (m.latent_attention->qk_nope_head_dim + m.latent_attention->v_head_dim)) {}
  int64_t queries, q_rank;  // q_rank 0: queries are projected at once
  int64_t latent, kv_rank;  // the latent vector, with and without its rotary part
  int64_t kv;               // keys without their rotary part, and values
};

TensorId project_one(StepBuilder& b, const std::string& name, TensorId x, int64_t out, int64_t in) {
  return LinearLayer{name, in_layer(b, name), out, in, group_tokens(b)}.forward(b, x, in_layer(b, name) + ".out");
}

}  // namespace

AttentionBlock::Heads LatentAttentionBlock::heads(const StepBuilder& b) const {
  const Model& m = b.model();
  return {m.num_heads / b.plan().layout.tp, m.num_heads,
          m.latent_attention->qk_nope_head_dim + m.latent_attention->qk_rope_head_dim};
}

void LatentAttentionBlock::declare_projections(StepBuilder& b) const {
  const Widths w(b.model());
  const int64_t hidden = b.model().hidden;
  if (w.q_rank > 0) b.parameter(in_layer(b, "q_a"), w.q_rank * hidden, true);
  b.parameter(in_layer(b, "q_b"), w.queries * (w.q_rank > 0 ? w.q_rank : hidden), true);
  b.parameter(in_layer(b, "kv_a"), w.latent * hidden, true);
  b.parameter(in_layer(b, "kv_b"), w.kv * w.kv_rank, true);
}

TensorId LatentAttentionBlock::project(StepBuilder& b, TensorId normed) const {
  const Widths w(b.model());
  const int64_t hidden = b.model().hidden;
  const TensorId low = w.q_rank > 0 ? project_one(b, "q_a", normed, w.q_rank, hidden) : normed;
  const TensorId queries = project_one(b, "q_b", low, w.queries, w.q_rank > 0 ? w.q_rank : hidden);
  const TensorId latent = project_one(b, "kv_a", normed, w.latent, hidden);
  const Heads own = heads(b);
  const int64_t row = (own.queries + own.keys) * own.head_dim + own.keys * b.model().latent_attention->v_head_dim;
  const TensorId qkv = b.activation(in_layer(b, "kv_b.out"), b.tokens(), row);
  b.task(Op::linear, "kv_b", linear_shape(w.kv, w.kv_rank), b.tokens(),
         {{Linear::x, latent}, {Linear::w, b.weight(in_layer(b, "kv_b"))}, {Linear::queries, queries}},
         {{Linear::y, qkv}});
  return qkv;
}

int64_t LatentAttentionBlock::cached_elements(const Model& model) const { return Widths(model).latent; }

TensorId LatentAttentionBlock::backward(StepBuilder&, TensorId) {
  throw InvariantError(__FILE__, __LINE__, "backward", "latent attention has no backward pass");
}

}  // namespace moesaic
