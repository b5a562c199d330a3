#include "core/schema/hugging_face_families.h"

#include <algorithm>

namespace moesaic::hugging_face {
namespace {

constexpr const char* kSparseMixer = "the choice and weights of SparseMixer";
constexpr const char* kSigmoidScores = "sigmoid scores of the router";

/// A row per family. Sources: the modeling and configuration files of transformers, and for minimax_text_01, hunyuan
/// and arctic those that their repositories carry. Counts of published configurations hold them to it:
/// tests/core/schema/families_test.cpp.
const std::vector<Family> kFamilies = {
    {.names = {"mixtral"}, .sight = Sight::window, .rope_theta = 1e6},
    {.names = {"qwen3_moe", "qwen3_vl_moe", "qwen3_vl_moe_text"},
     .expert_width = {"moe_intermediate_size"},
     .dense_width = "intermediate_size",
     .moe = MoeLayers::every_step,
     .sight = Sight::asked_window,
     .head_norms = HeadNorms::each_head,
     .normalize_top_k = false,
     .norm_epsilon = 1e-6},
    {.names = {"qwen2_moe"},
     .expert_width = {"moe_intermediate_size"},
     .dense_width = "intermediate_size",
     .moe = MoeLayers::every_step,
     .shared = Shared::of_width,
     .shared_gate = true,
     .attention_bias = true,
     .attention_out_bias = false,
     .normalize_top_k = false,
     .norm_epsilon = 1e-6,
     .known = {"sliding_window"}},
    {.names = {"qwen3_next", "qwen3_5_moe", "qwen3_5_moe_text"},
     .expert_width = {"moe_intermediate_size"},
     .dense_width = "intermediate_size",
     .moe = MoeLayers::every_step,
     .shared = Shared::of_width,
     .shared_gate = true,
     .sight = Sight::gated_delta,
     .head_dim = 256,
     .head_norms = HeadNorms::each_head,
     .attention_gate = true,
     .norm_epsilon = 1e-6},
    {.names = {"deepseek_v2"},
     .expert_width = {"moe_intermediate_size"},
     .dense_width = "intermediate_size",
     .moe = MoeLayers::after_dense,
     .shared = Shared::counted,
     .latent_attention = true,
     .normalize_top_k = false,
     .norm_epsilon = 1e-6,
     .auxiliary_coefficient = 0,
     .known = {"head_dim", "qk_head_dim"}},
    {.names = {"deepseek_v3", "kimi_k2", "deepseek_v32", "glm_moe_dsa"},
     .expert_width = {"moe_intermediate_size"},
     .dense_width = "intermediate_size",
     .moe = MoeLayers::after_dense,
     .shared = Shared::counted,
     .latent_attention = true,
     .router_bias = true,
     .norm_epsilon = 1e-6,
     .auxiliary_coefficient = 0,
     .known = {"head_dim", "qk_head_dim", "index_share_for_mtp_iteration", "index_skip_topk_offset",
               "index_topk_freq"}},
    {.names = {"olmoe"}, .sight = Sight::window, .head_norms = HeadNorms::all_heads, .normalize_top_k = false},
    {.names = {"gpt_oss"},
     .sight = Sight::alternating_window,
     .head_dim = 64,
     .attention_bias = true,
     .attention_sinks = true,
     .expert_bias = true,
     .router_bias = true,
     .rope_theta = 150000},
    {.names = {"llama4", "llama4_text"},
     .dense_width = "intermediate_size_mlp",
     .moe = MoeLayers::every_step,
     .shared = Shared::one,
     .sight = Sight::chunks,
     .head_dim = 128,
     .normalize_top_k = false,
     .rope_theta = 5e5,
     .uncomputed = {kSigmoidScores, "norms without gains of queries and keys", "layers without rotary positions",
                    "chunks of attention, which count as windows"},
     .known = {"use_qk_norm", "for_llm_compressor"}},
    {.names = {"glm4_moe"},
     .expert_width = {"moe_intermediate_size"},
     .dense_width = "intermediate_size",
     .moe = MoeLayers::after_dense,
     .shared = Shared::counted,
     .head_dim = 128,
     .head_norms = HeadNorms::each_head,
     .head_norms_asked = false,
     .attention_out_bias = false,
     .router_bias = true,
     .auxiliary_coefficient = 0,
     .uncomputed = {kSigmoidScores}},
    {.names = {"minimax_m2"},
     .head_norms = HeadNorms::all_heads,
     .router_bias = true,
     .norm_epsilon = 1e-6,
     .rope_theta = 5e6},
    {.names = {"minimax", "minimax_text_01", "minimax_m1"},
     .sight = Sight::lightning,
     .rope_theta = 1e6,
     .uncomputed = {"weighted residuals"},
     .known = {"postnorm", "layernorm_full_attention_alpha", "layernorm_full_attention_beta",
               "layernorm_linear_attention_alpha", "layernorm_linear_attention_beta", "layernorm_mlp_alpha",
               "layernorm_mlp_beta", "full_attn_alpha_factor", "full_attn_beta_factor", "linear_attn_alpha_factor",
               "linear_attn_beta_factor", "mlp_alpha_factor", "mlp_beta_factor", "shared_moe_mode", "block_size"}},
    {.names = {"phimoe"},
     .sight = Sight::window,
     .normalize_top_k = false,
     .norm = Norm::layer_norm,
     .rope_theta = 1e6,
     .uncomputed = {kSparseMixer}},
    {.names = {"dbrx"}, .expert_width = {"ffn_hidden_size"}, .norm = Norm::layer_norm, .norm_bias = false},
    {.names = {"granitemoe"}, .norm_epsilon = 1e-6},
    {.names = {"granitemoeshared"}, .shared = Shared::of_width, .norm_epsilon = 1e-6},
    {.names = {"hunyuan_v1_moe", "hunyuan_moe", "hunyuan"},
     .expert_width = {"moe_intermediate_size", "intermediate_size"},
     .dense_width = "intermediate_size",
     .moe = MoeLayers::after_dense,
     .shared = Shared::counted,
     .head_norms = HeadNorms::each_head,
     .known = {"use_mixed_mlp_moe", "moe_drop_tokens", "capacity_factor", "moe_random_routing_dropped_token",
               "cla_share_factor", "norm_type", "dense_list", "num_media_embeds", "class_num", "pool_type"}},
    {.names = {"jamba"},
     .dense_width = "intermediate_size",
     .moe = MoeLayers::period,
     .sight = Sight::mamba,
     .normalize_top_k = false,
     .norm_epsilon = 1e-6,
     .uncomputed = {"no positions"}},
    {.names = {"arctic"},
     .dense_width = "intermediate_size",
     .moe = MoeLayers::every_step,
     .shared = Shared::dense_residual,
     .sight = Sight::window,
     .uncomputed = {"experts that read what enters the layer's attention"},
     .known = {"enable_expert_tensor_parallelism", "moe_token_dropping", "moe_min_capacity",
               "moe_train_capacity_factor", "moe_eval_capacity_factor"}},
};

struct Reason {
  const char* name;
  const char* reason;
};

constexpr const char* kEncoder = "has an encoder and a decoder, and models here are decoders";
constexpr const char* kSingles =
    "has layers that are mamba, attention or experts alone, and a layer here is one of the "
    "first two and an FFN";
constexpr Reason kReasons[] = {{"switch_transformers", kEncoder},
                               {"nllb-moe", kEncoder},
                               {"nllb_moe", kEncoder},
                               {"nemotron_h", kSingles},
                               {"nemotron_h_moe", kSingles},
                               {"granitemoehybrid",
                                "has layers of mamba-2, whose "
                                "shapes are not known here"}};

}  // namespace

const Family* family_named(const std::string& model_type) {
  for (const Family& family : kFamilies)
    if (std::find(family.names.begin(), family.names.end(), model_type) != family.names.end()) return &family;
  return nullptr;
}

std::vector<std::string> family_names() {
  std::vector<std::string> names;
  for (const Family& family : kFamilies) names.insert(names.end(), family.names.begin(), family.names.end());
  return names;
}

std::string reason_against(const std::string& model_type) {
  for (const Reason& reason : kReasons)
    if (model_type == reason.name) return reason.reason;
  return "";
}

}  // namespace moesaic::hugging_face
