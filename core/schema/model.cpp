#include "core/schema/model.h"

#include <algorithm>

namespace moesaic {
namespace {

int64_t attention_matrices(const Model& model) {
  const int64_t hidden = model.hidden;
  const int64_t out = model.attention_width() * hidden;
  if (!model.latent_attention) return model.qkv_width() * hidden + out;
  const LatentAttention& mla = *model.latent_attention;
  const int64_t query_width = model.num_heads * (mla.qk_nope_head_dim + mla.qk_rope_head_dim);
  const int64_t query =
      mla.q_lora_rank > 0 ? hidden * mla.q_lora_rank + mla.q_lora_rank * query_width : hidden * query_width;
  const int64_t kv_down = hidden * (mla.kv_lora_rank + mla.qk_rope_head_dim);
  const int64_t kv_up = mla.kv_lora_rank * model.num_heads * (mla.qk_nope_head_dim + mla.v_head_dim);
  return query + kv_down + kv_up + out;
}

/// Biases, sinks and norms inside one attention block.
int64_t attention_vectors(const Model& model) {
  int64_t count = 0;
  if (model.latent_attention) count += model.latent_attention->q_lora_rank + model.latent_attention->kv_lora_rank;
  if (model.attention_bias) count += (model.latent_attention ? 0 : model.qkv_width()) + model.hidden;
  if (model.attention_sinks) count += model.num_heads;
  if (model.qk_norm) count += model.head_dim * (model.qk_norm_whole ? model.num_heads + model.num_kv_heads : 2);
  return count;
}

int64_t ffn_matrices(const Model& model, int64_t intermediate) {
  return (model.activation == Activation::swiglu ? 3 : 2) * model.hidden * intermediate;
}

}  // namespace

int64_t Model::keys_in_sight(int layer, int64_t sequence) const {
  const bool windowed = !windowed_layers.empty() && windowed_layers[static_cast<size_t>(layer)];
  return windowed ? std::min(sequence, sliding_window) : sequence;
}

int64_t Model::num_moe_layers() const { return std::count(moe_layers.begin(), moe_layers.end(), true); }

int64_t Model::expert_parameters() const { return ffn_matrices(*this, expert_intermediate); }

ParameterCount count_parameters(const Model& model) {
  const int64_t moe = model.num_moe_layers();
  const int64_t norm = model.hidden * (model.norm == Norm::layer_norm ? 2 : 1);
  const int64_t bias = (model.activation == Activation::swiglu ? 2 : 1) * model.expert_intermediate + model.hidden;
  const int64_t router = model.routed_by_task ? 0 : model.num_experts * (model.hidden + (model.router_bias ? 1 : 0));

  const int64_t matrices = model.num_layers * attention_matrices(model) +
                           (model.num_layers - moe) * ffn_matrices(model, model.dense_intermediate) +
                           moe * ffn_matrices(model, model.shared_intermediate) +
                           model.vocabulary * model.hidden * (model.tied_embeddings ? 1 : 2);
  // Two norms per layer and one in front of the head.
  const int64_t rest = model.num_layers * (attention_vectors(model) + 2 * norm) + norm + moe * router;

  ParameterCount count;
  count.sparse = moe * model.num_experts * (model.expert_parameters() + (model.expert_bias ? bias : 0));
  count.dense = matrices;
  (model.family == "gpt_moe" ? count.uncounted : count.dense) += rest;
  return count;
}

}  // namespace moesaic
