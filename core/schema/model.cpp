#include "core/schema/model.h"

#include <algorithm>

namespace moesaic {
namespace {

int64_t attention_matrices(const Model& model) {
  const int64_t hidden = model.hidden;
  const int64_t out = model.attention_width() * hidden * (model.attention_gate ? 2 : 1);
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
  int64_t projected = model.qkv_width() + (model.attention_gate ? model.num_heads * model.head_dim : 0);
  if (const auto& mla = model.latent_attention) {
    count += mla->q_lora_rank + mla->kv_lora_rank;
    projected = mla->q_lora_rank + mla->kv_lora_rank + mla->qk_rope_head_dim;
  }
  if (model.attention_bias) count += projected + (model.attention_out_bias ? model.hidden : 0);
  if (model.attention_sinks) count += model.num_heads;
  if (model.qk_norm) count += model.head_dim * (model.qk_norm_whole ? model.num_heads + model.num_kv_heads : 2);
  return count;
}

int64_t ffn_matrices(const Model& model, int64_t intermediate) {
  return (model.activation == Activation::swiglu ? 3 : 2) * model.hidden * intermediate;
}

}  // namespace

int64_t Model::keys_in_sight(int layer, int64_t sequence) const {
  if (!has_attention(layer)) return 0;
  const bool windowed = !windowed_layers.empty() && windowed_layers[static_cast<size_t>(layer)];
  return windowed ? std::min(sequence, sliding_window) : sequence;
}

int64_t Model::num_attention_layers() const {
  return num_layers - (recurrent ? std::count(recurrent->layers.begin(), recurrent->layers.end(), true) : 0);
}

int64_t Model::cached_elements() const {
  return latent_attention ? latent_attention->kv_lora_rank + latent_attention->qk_rope_head_dim
                          : 2 * num_kv_heads * head_dim;
}

int64_t Model::num_moe_layers() const { return std::count(moe_layers.begin(), moe_layers.end(), true); }

int64_t Model::expert_parameters() const { return ffn_matrices(*this, expert_intermediate); }

ParameterCount count_parameters(const Model& model) {
  const int64_t moe = model.num_moe_layers(), attention = model.num_attention_layers();
  const int64_t norm = model.hidden * model.norm_vectors();
  const int64_t bias = (model.activation == Activation::swiglu ? 2 : 1) * model.expert_intermediate + model.hidden;
  const int64_t router = model.routed_by_task ? 0 : model.num_experts * (model.hidden + (model.router_bias ? 1 : 0));

  const int64_t shared_vectors = (model.shared_gate ? model.hidden : 0) + (model.shared_norm ? norm : 0);

  const int64_t matrices = attention * attention_matrices(model) +
                           (model.num_layers - attention) * (model.recurrent ? model.recurrent->parameters : 0) +
                           (model.num_layers - moe) * ffn_matrices(model, model.dense_intermediate) +
                           moe * ffn_matrices(model, model.shared_intermediate) + model.table_parameters();
  // Two norms per layer and one in front of the head.
  const int64_t rest = attention * attention_vectors(model) + model.num_layers * 2 * norm + norm +
                       moe * (router + shared_vectors) + (model.head_bias ? model.vocabulary : 0);

  ParameterCount count;
  count.sparse = moe * model.num_experts * (model.expert_parameters() + (model.expert_bias ? bias : 0));
  count.dense = matrices;
  (model.family == "gpt_moe" ? count.uncounted : count.dense) += rest;
  return count;
}

int64_t active_parameters(const Model& model) {
  const ParameterCount count = count_parameters(model);
  return count.dense + count.uncounted + count.sparse / std::max<int64_t>(1, model.num_experts) * model.top_k;
}

Bytes weight_bytes(const Model& model) {
  constexpr int64_t kBlock = int64_t{128} * 128, kScaleBytes = 4;
  const auto stored = [](DType dtype, int64_t elements) {
    return bytes_of(dtype, elements) + (dtype == DType::fp8 ? elements / kBlock * kScaleBytes : 0);
  };
  const ParameterCount count = count_parameters(model);
  return stored(model.table_dtype.value_or(model.weight_dtype), model.table_parameters()) +
         stored(model.weight_dtype, count.dense + count.uncounted - model.table_parameters()) +
         stored(model.expert_dtype, count.sparse);
}

}  // namespace moesaic
