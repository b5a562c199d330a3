// Keys of Hugging Face configurations that change no shape, and how others are taken that nobody asked for.

#include <algorithm>
#include <string_view>

#include "core/schema/hugging_face_families.h"

namespace moesaic::hugging_face {
namespace {

using Words = std::string_view;

/// Of generation, training, serving and files; between spaces.
constexpr Words kHarmless =
    " "
    "architectures attn_implementation auto_map cache_implementation chunk_size_feed_forward "
    "decoder_start_token_id diversity_penalty do_sample dtype early_stopping ep_size expert_capacity "
    "experts_implementation finetuning_task forced_bos_token_id forced_eos_token_id id2label im_end_id "
    "im_start_id ignore_index initial_context_length initializer_factor initializer_range is_decoder "
    "is_encoder_decoder label2id length_penalty max_length max_position_embeddings max_seq_len "
    "max_sequence_length max_window_layers min_length model_max_length model_type moe_layer_recompute "
    "mrope_interleaved mrope_section num_beam_groups num_beams num_logits_to_keep num_return_sequences "
    "original_max_position_embeddings output_attentions output_hidden_states output_router_logits output_scores "
    "pretraining_tp prefix problem_type pruned_heads remove_invalid_values repetition_penalty return_dict "
    "return_dict_in_generate rope_interleave rope_scaling rope_theta rope_parameters router_z_loss_coef "
    "router_dtype router_ignore_padding_tokens seq_aux sep_token suppress_tokens task_specific_params temperature "
    "tf_legacy_loss tokenizer_class top_k_group top_p torch_dtype torchscript transformers_version "
    "typical_p unsloth_fixed unsloth_version use_bfloat16 use_cache use_mamba_kernels use_mtp "
    "mtp_transformer_layers mtp_use_dedicated_embeddings mamba_ssm_dtype boi_token_index eoi_token_index "
    "image_token_index video_token_index max_model_len media_placeholder_token_id language_model_only "
    "use_unified_vision_chunk video_placeholder indexer_rope_interleave tokenizer_path org_vocab_size pad_id "
    "eod_token_id text_start_id text_end_id image_token_id use_rotary_pos_emb position_embedding_xdrope "
    "calc_logits_for_entire_prompt attn_mechanism moe_normalize_expert_weights moe_jitter_eps kwargs resid_pdrop "
    "emb_pdrop attn_pdrop top_k no_repeat_ngram_size encoder_no_repeat_ngram_size tie_encoder_decoder "
    "moe_router_dtype ";

/// Words that keys of shapes are made of.
constexpr Words kShapes[] = {"attn",   "attention", "bias",  "block",  "channel", "compress", "conv",   "dense",
                             "depth",  "dim",       "embd",  "embed",  "expand",  "expert",   "factor", "ffn",
                             "gate",   "group",     "head",  "hidden", "index",   "inner",    "inter",  "kernel",
                             "layer",  "lora",      "mamba", "mlp",    "moe",     "mtp",      "n_",     "nextn",
                             "norm",   "num_",      "proj",  "quant",  "rank",    "ratio",    "res",    "router",
                             "share",  "shape",     "size",  "ssm",    "state",   "tie",      "vocab",  "width",
                             "window", "conf",      "cla",   "mla",    "use_",    "d_model",  "d_ff",   "d_kv"};

bool names_a_shape(Words key) {
  return std::any_of(std::begin(kShapes), std::end(kShapes),
                     [key](Words word) { return key.find(word) != Words::npos; });
}

}  // namespace

Unasked judged(const std::string& key) {
  const bool said = kHarmless.find(" " + key + " ") != Words::npos;
  if (said || key.starts_with('_') || key.ends_with("_token_id") || key.ends_with("_token_ids"))
    return Unasked::harmless;
  return names_a_shape(key) ? Unasked::changes_shapes : Unasked::unknown;
}

const std::vector<Uncomputed>& uncomputed_keys() {
  static const std::vector<Uncomputed> keys = {
      {"partial_rotary_factor", "1.0", "rotary positions on a part of each head"},
      {"rotary_dim", "null", "rotary positions on a part of each head"},
      {"routed_scaling_factor", "1.0", "a factor on routed experts"},
      {"scoring_func", "\"softmax\"", "sigmoid scores of the router"},
      {"n_group", "1", "groups of experts"},
      {"swiglu_limit", "null", "a clamped SwiGLU"},
      {"embedding_multiplier", "1.0", "a multiplier of embeddings"},
      {"residual_multiplier", "1.0", "a multiplier of residuals"},
      {"attention_multiplier", "null", "a multiplier of attention's scores"},
      {"logits_scaling", "1.0", "scaled logits"},
      {"attn_temperature_tuning", "false", "attention's temperature by position"},
      {"attn_scale", "null", "attention's temperature by position"},
      {"floor_scale", "null", "attention's temperature by position"},
      {"router_jitter_noise", "0.0", "noise in the router"},
      {"input_jitter_noise", "0.0", "noise in the router"},
      {"attention_dropout", "0.0", "dropout"},
      {"hidden_dropout", "0.0", "dropout"},
  };
  return keys;
}

}  // namespace moesaic::hugging_face
