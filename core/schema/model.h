#pragma once
// The architecture of a Mixture-of-Experts language model, whoever named its fields. Weights and training state live
// elsewhere.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/schema/units.h"

namespace moesaic {

enum class Activation { gelu, swiglu };
enum class Norm { layer_norm, rms_norm };

/// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1).
struct LatentAttention {
  int64_t q_lora_rank = 0;  // 0: queries are projected directly
  int64_t kv_lora_rank = 0;
  int64_t qk_nope_head_dim = 0;
  int64_t qk_rope_head_dim = 0;
  int64_t v_head_dim = 0;
  bool operator==(const LatentAttention&) const = default;
};

/// What stands in the place of attention in some layers and keeps no keys but a state of fixed size: gated delta net
/// (arXiv 2412.06464), lightning attention (arXiv 2501.08313), mamba (arXiv 2312.00752).
struct RecurrentLayers {
  std::string kind;
  int64_t parameters = 0;      // of one layer, its norms in front not counted
  int64_t state_elements = 0;  // of one sequence in one layer
  std::vector<bool> layers;    // [num_layers]
  bool operator==(const RecurrentLayers&) const = default;
};

struct Model {
  std::string name;
  std::string family;  // "gpt_moe" (ours) or the Hugging Face model_type
  std::string source;  // where the values come from
  int64_t num_layers = 0;
  int64_t hidden = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t vocabulary = 0;
  std::optional<LatentAttention> latent_attention;
  std::optional<RecurrentLayers> recurrent;
  int64_t sparse_keys = 0;    // keys that an indexer chooses for each query (DeepSeek-V3.2); 0: attention sees all
  double rope_theta = 10000;  // base of the rotary angles (RoFormer, arXiv 2104.09864)
  bool rope_scaled = false;   // angles are stretched for longer sequences (YaRN and others)
  bool qkv_clipped = false;   // queries, keys and values are clamped (OLMoE's clip_qkv)
  bool attention_bias = false;
  bool attention_out_bias = true;  // where attention_bias: the output projection has one, too (not Qwen2, GLM-4.5)
  bool attention_gate = false;     // queries bring a gate of attention's output, as wide as they are (Qwen3-Next)
  bool attention_sinks = false;    // one learned logit per head (gpt-oss)
  int64_t sliding_window = 0;      // keys that a query of a windowed layer sees at most, its own included; 0: no window
  std::vector<bool> windowed_layers;  // [num_layers]; empty without a window
  bool qk_norm = false;
  bool qk_norm_whole = false;  // the norm spans all heads (OLMoE), not one head (Qwen3)
  int64_t num_experts = 0;
  int64_t top_k = 0;
  int64_t expert_groups = 1;     // of equally many experts, in their order
  int64_t groups_per_token = 1;  // a token chooses among the experts of so many groups (DeepSeek-V3's topk_group)
  int64_t expert_intermediate = 0;
  int64_t shared_intermediate = 0;  // of all shared experts together; 0: none
  bool shared_gate = false;         // the shared experts pass a sigmoid gate [1, hidden] (Qwen2-MoE)
  bool shared_norm = false;         // the shared experts have a norm of their own in front (Arctic's dense residual)
  int64_t dense_intermediate = 0;   // of the layers without experts
  bool expert_bias = false;
  bool router_bias = false;
  bool normalize_top_k = true;
  bool routed_by_task = false;   // expert e serves task e of the workload; there is no router
  std::vector<bool> moe_layers;  // [num_layers]
  Activation activation = Activation::gelu;
  Norm norm = Norm::layer_norm;
  double norm_epsilon = 1e-5;  // added to a variance, or to a mean of squares
  bool norm_bias = true;       // of layer_norm; rms_norm has none
  bool tied_embeddings = true;
  bool head_bias = false;
  DType weight_dtype = DType::bf16;  // of everything but the experts
  DType expert_dtype = DType::bf16;
  std::optional<DType> table_dtype;     // of embedding and head, which quantisation leaves alone; none: weight_dtype
  double auxiliary_coefficient = 0.01;  // alpha of the load-balancing loss
  std::vector<std::string> uncomputed;  // what changes results, and no count: scaled scores, multipliers and others
  std::vector<std::string> left_out;    // what the source has beyond this struct: neither counted nor priced

  int64_t num_moe_layers() const;
  /// Of `sequence` keys, those that a query of the layer sees at most; none without attention.
  int64_t keys_in_sight(int layer, int64_t sequence) const;
  int64_t attention_width() const { return num_heads * (latent_attention ? latent_attention->v_head_dim : head_dim); }
  /// Rows of the fused projection [ (num_heads + 2 num_kv_heads) head_dim, hidden ]; without latent attention only.
  int64_t qkv_width() const { return (num_heads + 2 * num_kv_heads) * head_dim; }
  bool has_attention(int layer) const { return !recurrent || !recurrent->layers[static_cast<size_t>(layer)]; }
  int64_t num_attention_layers() const;
  /// Of one token in one layer with attention: the latent vector, or keys and values.
  int64_t cached_elements() const;
  /// Elements of embedding and head.
  int64_t table_parameters() const { return vocabulary * hidden * (tied_embeddings ? 1 : 2); }
  /// Of a norm: its gain, and a bias where it has one.
  int64_t norm_vectors() const { return norm == Norm::layer_norm && norm_bias ? 2 : 1; }
  /// Weight elements of one expert: 2 H F for GELU (up, down), 3 H F for SwiGLU (gate, up, down).
  int64_t expert_parameters() const;
  bool operator==(const Model&) const = default;
};

/// Parameter counts, dense (always activated) and sparse (expert) apart.
/// For family gpt_moe, dense and sparse count the matrices of attention, dense FFN, experts and embedding, as SE-MoE's
/// table does (S = E 8 H^2 per layer, D = 4 H^2 per layer + V H); router, norms and biases stand in `uncounted`. For
/// every other family dense is all that is not a routed expert and `uncounted` is 0.
struct ParameterCount {
  int64_t dense = 0;
  int64_t sparse = 0;
  int64_t uncounted = 0;
  int64_t total() const { return dense + sparse; }
  bool operator==(const ParameterCount&) const = default;
};
ParameterCount count_parameters(const Model& model);

/// All but the experts that a token does not visit, the embedding included.
int64_t active_parameters(const Model& model);

/// Of all parameters as they are stored, scales included: fp8 has an f32 scale per block of 128 x 128 (DeepSeek-V3,
/// arXiv 2412.19437, section 3.3), narrower types as bits_per_element says.
Bytes weight_bytes(const Model& model);

}  // namespace moesaic
