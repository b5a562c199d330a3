#include "core/schema/hugging_face.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "core/schema/model_limits.h"
#include "core/schema/object_reader.h"

namespace moesaic {
namespace {

constexpr const char* kFamilies[] = {"mixtral", "qwen3_moe", "deepseek_v3", "kimi_k2", "olmoe", "gpt_oss"};

Json without_nulls(const Json& config) {
  Json kept = Json::object();
  for (const auto& [key, value] : config.items()) {
    if (!value.is_null()) kept[key] = value;
  }
  return kept;
}

/// The first of the aliases that is present, or the first one, which is then reported as missing.
Field first_of(ObjectReader& config, std::initializer_list<const char*> aliases) {
  for (const char* alias : aliases) {
    if (config[alias].present()) return config[alias];
  }
  return config[*aliases.begin()];
}

DType read_weight_dtype(ObjectReader& config) {
  constexpr const char* kNames[] = {"float32", "bfloat16", "float16"};
  constexpr DType kTypes[] = {DType::f32, DType::bf16, DType::f16};
  const Field dtype = first_of(config, {"torch_dtype", "dtype"});
  return dtype.present() ? kTypes[dtype.choice(kNames)] : DType::bf16;  // what all these families are published in
}

/// fp8 checkpoints quantise every linear layer; mxfp4 ones only the experts.
void read_quantization(ObjectReader& config, Model& model) {
  model.weight_dtype = model.expert_dtype = read_weight_dtype(config);
  const Field quantization = config["quantization_config"];
  if (!quantization.present()) return;
  constexpr const char* kMethods[] = {"fp8", "mxfp4"};
  ObjectReader reader = quantization.object();
  const bool is_fp8 = reader["quant_method"].choice(kMethods) == 0;
  model.expert_dtype = is_fp8 ? DType::fp8 : DType::fp4;
  if (is_fp8) model.weight_dtype = DType::fp8;
}

void read_attention(ObjectReader& config, Model& model) {
  model.num_heads = config["num_attention_heads"].integer(kHeads);
  model.num_kv_heads = config["num_key_value_heads"].integer(kHeads, model.num_heads);
  const Field head_dim = config["head_dim"];
  if (!head_dim.present() && model.hidden % model.num_heads != 0) {
    config.refuse("hidden_size " + std::to_string(model.hidden) + " does not divide by num_attention_heads " +
                      std::to_string(model.num_heads),
                  "", "give head_dim");
  }
  model.head_dim = head_dim.integer(kHidden, std::max<int64_t>(1, model.hidden / model.num_heads));
  model.attention_bias = config["attention_bias"].boolean(false);
}

/// The constants of rotary positions and norms; left out they are what transformers' configuration classes say of the
/// family. Newer files keep base and scaling among rope_parameters, whose type "default" is none.
void read_constants(ObjectReader& config, Model& model) {
  const double theta = model.family == "mixtral" ? 1e6 : model.family == "gpt_oss" ? 150000 : model.rope_theta;
  const Field parameters = config["rope_parameters"];
  if (parameters.present()) {
    ObjectReader rope = parameters.object();
    model.rope_theta = rope["rope_theta"].number(kPositive, theta);
    model.rope_scaled = rope["rope_type"].text("default") != "default";
  } else {
    model.rope_theta = config["rope_theta"].number(kPositive, theta);
    model.rope_scaled = config["rope_scaling"].present();
  }
  model.qkv_clipped = config["clip_qkv"].present();
  const bool has_small_epsilon = model.family == "qwen3_moe" || model.latent_attention.has_value();
  model.norm_epsilon = config["rms_norm_eps"].number(kPositive, has_small_epsilon ? 1e-6 : model.norm_epsilon);
}

/// Which layers see the last sliding_window tokens only. layer_types says so layer by layer; without it gpt_oss begins
/// with a windowed layer and alternates, and the others window every layer. qwen3_moe has a window only where
/// use_sliding_window is true, whatever else is written (transformers, configuration_gpt_oss.py and
/// configuration_qwen3_moe.py).
void read_windows(ObjectReader& config, Model& model) {
  constexpr const char* kLayerTypes[] = {"full_attention", "sliding_attention"};
  const bool alternates = model.family == "gpt_oss";
  constexpr int64_t kGptOssWindow = 128;  // the default of configuration_gpt_oss.py
  const Field window = config["sliding_window"];
  if (!config["use_sliding_window"].boolean(model.family != "qwen3_moe") || !(window.present() || alternates)) return;
  std::vector<bool> layers(static_cast<size_t>(model.num_layers), true);
  for (size_t layer = 1; alternates && layer < layers.size(); layer += 2) layers[layer] = false;
  if (const Field types = config["layer_types"]; types.present()) {
    layers = types.each([&](const Field& type) { return type.choice(kLayerTypes) == 1; });
    if (layers.size() != static_cast<size_t>(model.num_layers))
      types.refuse("names " + std::to_string(layers.size()) + " layers",
                   std::to_string(model.num_layers) + " as num_hidden_layers says");
  }
  if (std::find(layers.begin(), layers.end(), true) == layers.end()) return;
  model.sliding_window = alternates ? window.integer(kWindow, kGptOssWindow) : window.integer(kWindow);
  model.windowed_layers = std::move(layers);
}

void read_latent_attention(ObjectReader& config, Model& model) {
  LatentAttention mla;
  mla.q_lora_rank = config["q_lora_rank"].integer(kHidden, 0);
  mla.kv_lora_rank = config["kv_lora_rank"].integer(kHidden);
  mla.qk_nope_head_dim = config["qk_nope_head_dim"].integer(kHidden);
  mla.qk_rope_head_dim = config["qk_rope_head_dim"].integer(kHidden);
  mla.v_head_dim = config["v_head_dim"].integer(kHidden);
  model.latent_attention = mla;
  model.head_dim = mla.qk_nope_head_dim + mla.qk_rope_head_dim;
}

/// The width of an expert is the classic trap: intermediate_size where all layers are MoE, moe_intermediate_size where
/// some are dense.
void read_experts(ObjectReader& config, Model& model) {
  const bool has_dense_layers = model.family == "qwen3_moe" || model.latent_attention.has_value();
  model.num_experts = first_of(config, {"num_local_experts", "num_experts", "n_routed_experts"}).integer(kExperts);
  model.top_k = first_of(config, {"num_experts_per_tok", "experts_per_token"}).integer(kExperts);
  model.expert_intermediate =
      config[has_dense_layers ? "moe_intermediate_size" : "intermediate_size"].integer(kIntermediate);
  if (has_dense_layers) model.dense_intermediate = config["intermediate_size"].integer(kIntermediate);
  model.moe_layers.assign(static_cast<size_t>(model.num_layers), true);
}

/// qwen3_moe: layer i is MoE unless listed in mlp_only_layers, where (i + 1) is a multiple of decoder_sparse_step.
void read_qwen(ObjectReader& config, Model& model) {
  model.qk_norm = true;
  model.normalize_top_k = config["norm_topk_prob"].boolean(false);
  const int64_t step = config["decoder_sparse_step"].integer(kLayers, 1);
  for (int64_t layer = 0; layer < model.num_layers; ++layer) {
    model.moe_layers[static_cast<size_t>(layer)] = (layer + 1) % step == 0;
  }
  const Field dense_only = config["mlp_only_layers"];
  for (size_t i = 0; dense_only.present() && i < dense_only.size(); ++i) {
    model.moe_layers[static_cast<size_t>(dense_only[i].integer({0, model.num_layers - 1}))] = false;
  }
}

/// deepseek_v3: layer i is MoE from first_k_dense_replace on, where i is a multiple of moe_layer_freq.
void read_deepseek(ObjectReader& config, Model& model) {
  const int64_t first = config["first_k_dense_replace"].integer({0, kLayers.most});
  const int64_t step = config["moe_layer_freq"].integer(kLayers, 1);
  for (int64_t layer = 0; layer < model.num_layers; ++layer) {
    model.moe_layers[static_cast<size_t>(layer)] = layer >= first && layer % step == 0;
  }
  model.shared_intermediate = config["n_shared_experts"].integer({0, kExperts.most}, 0) * model.expert_intermediate;
  model.normalize_top_k = config["norm_topk_prob"].boolean(true);
  model.router_bias =
      config["topk_method"].text("noaux_tc") == "noaux_tc";  // a learned bias per expert balances the load
  model.auxiliary_coefficient = config["aux_loss_alpha"].number(kNotNegative, 0);
}

void read_family(ObjectReader& config, Model& model) {
  if (model.family == "qwen3_moe") read_qwen(config, model);
  if (model.latent_attention) read_deepseek(config, model);
  if (model.family == "olmoe") {
    model.qk_norm = model.qk_norm_whole = true;
    model.normalize_top_k = config["norm_topk_prob"].boolean(false);
  }
  if (model.family == "gpt_oss") {
    model.attention_sinks = model.expert_bias = model.router_bias = true;
    model.attention_bias = config["attention_bias"].boolean(true);
  }
}

std::string name_from(const std::string& file, const std::string& fallback) {
  const std::filesystem::path path(file);
  if (path.stem() != "config") return path.stem().string();
  const std::string folder = path.parent_path().filename().string();
  return folder.empty() ? fallback : folder;
}

}  // namespace

Model read_hugging_face(const Json& config, const std::string& file, const std::string& pointer) {
  const Json kept = without_nulls(ObjectReader(config, file, pointer).json());
  ObjectReader reader(kept, file, pointer);
  Model model;
  model.family = kFamilies[reader["model_type"].choice(kFamilies)];
  model.name = name_from(file, model.family);
  model.source = first_of(reader, {"_source", "_name_or_path"}).text("");
  model.hidden = reader["hidden_size"].integer(kHidden);
  model.num_layers = reader["num_hidden_layers"].integer(kLayers);
  model.vocabulary = reader["vocab_size"].integer(kVocabulary);
  constexpr const char* kActivations[] = {"silu"};
  reader["hidden_act"].choice(kActivations, Activation::swiglu);
  model.activation = Activation::swiglu;
  model.norm = Norm::rms_norm;
  model.tied_embeddings = reader["tie_word_embeddings"].boolean(false);
  model.auxiliary_coefficient = reader["router_aux_loss_coef"].number(kNotNegative, model.auxiliary_coefficient);
  read_attention(reader, model);
  read_windows(reader, model);
  if (model.family == "deepseek_v3" || model.family == "kimi_k2") read_latent_attention(reader, model);
  read_experts(reader, model);
  read_family(reader, model);
  read_constants(reader, model);
  read_quantization(reader, model);
  check_model(model, reader);
  return model;
}

}  // namespace moesaic
