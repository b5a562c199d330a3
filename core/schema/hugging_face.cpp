#include "core/schema/hugging_face.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "core/schema/hugging_face_config.h"
#include "core/schema/hugging_face_families.h"
#include "core/schema/hugging_face_layers.h"
#include "core/schema/hugging_face_weights.h"
#include "core/schema/model_limits.h"
#include "core/schema/nearest_name.h"

namespace moesaic {
namespace {

using hugging_face::Config, hugging_face::Family, hugging_face::HeadNorms, hugging_face::Shared;

const Family& family_of(const Field& type, const Field& is_encoder_decoder) {
  const std::string name = type.text();
  if (const std::string reason = hugging_face::reason_against(name); !reason.empty())
    type.refuse("\"" + name + "\" " + reason, "a decoder of attention and experts");
  if (is_encoder_decoder.boolean(false)) is_encoder_decoder.refuse("is true, and models here are decoders", "false");
  const Family* family = hugging_face::family_named(name);
  if (family == nullptr)
    type.refuse("is \"" + name.substr(0, 80) + "\", a family that is not known here", "",
                suggestion(name, hugging_face::family_names()));
  return *family;
}

void read_shape(Config& config, const Family& family, Model& model) {
  model.hidden = config({"hidden_size", "d_model"}).integer(kHidden);
  model.num_layers = config({"num_hidden_layers", "n_layers", "num_layers"}).integer(kLayers);
  model.vocabulary = config["vocab_size"].integer(kVocabulary);
  constexpr const char* kGatedActivations[] = {"silu"};
  config["hidden_act"].choice(kGatedActivations, Activation::swiglu);
  if (const Field function = config["ffn_act_fn"]; function.present())
    function.object()["name"].choice(kGatedActivations);
  model.activation = Activation::swiglu;
  model.norm = family.norm;
  model.norm_bias = family.norm_bias;
  model.norm_epsilon = config({"rms_norm_eps", "layer_norm_eps"}).number(kPositive, family.norm_epsilon);
  model.tied_embeddings = config["tie_word_embeddings"].boolean(false);
  model.head_bias = config["lm_head_bias"].boolean(false);
}

LatentAttention read_latent_attention(Config& config) {
  LatentAttention mla;
  mla.q_lora_rank = config["q_lora_rank"].integer(kHidden, 0);
  mla.kv_lora_rank = config["kv_lora_rank"].integer(kHidden);
  mla.qk_nope_head_dim = config["qk_nope_head_dim"].integer(kHidden);
  mla.qk_rope_head_dim = config["qk_rope_head_dim"].integer(kHidden);
  mla.v_head_dim = config["v_head_dim"].integer(kHidden);
  return mla;
}

int64_t read_head_dim(Config& config, const Family& family, const Model& model) {
  if (model.latent_attention)
    return model.latent_attention->qk_nope_head_dim + model.latent_attention->qk_rope_head_dim;
  const Field head_dim = config({"head_dim", "attention_head_dim"});
  if (!head_dim.present() && family.head_dim == 0 && model.hidden % model.num_heads != 0)
    config.main().refuse("hidden_size " + std::to_string(model.hidden) + " does not divide by num_attention_heads " +
                             std::to_string(model.num_heads),
                         "", "give head_dim");
  return head_dim.integer(kHidden,
                          family.head_dim > 0 ? family.head_dim : std::max<int64_t>(1, model.hidden / model.num_heads));
}

void read_head_norms(Config& config, const Family& family, Model& model) {
  if (family.head_norms == HeadNorms::none) return;
  model.qk_norm = config["use_qk_norm"].boolean(family.head_norms_asked);
  constexpr const char* kAllHeads[] = {"per_layer"};  // the one kind of minimax_m2
  if (const Field type = config["qk_norm_type"]; type.present()) type.choice(kAllHeads);
  model.qk_norm_whole = model.qk_norm && family.head_norms == HeadNorms::all_heads;
}

void read_attention(Config& config, const Family& family, Model& model) {
  model.num_heads = config({"num_attention_heads", "n_heads"}).integer(kHeads);
  model.num_kv_heads = config({"num_key_value_heads", "kv_n_heads"}).integer(kHeads, model.num_heads);
  if (family.latent_attention) model.latent_attention = read_latent_attention(config);
  model.head_dim = read_head_dim(config, family, model);
  model.attention_bias = config({"attention_bias", "qkv_bias"}).boolean(family.attention_bias);
  model.attention_out_bias = !model.attention_bias || family.attention_out_bias;
  model.attention_sinks = family.attention_sinks;
  model.attention_gate = family.attention_gate && config["attn_output_gate"].boolean(true);
  model.qkv_clipped = config["clip_qkv"].present();
  read_head_norms(config, family, model);
  if (const Field shares = config["use_cla"]; shares.boolean(false))
    shares.refuse("shares keys among layers, which is not known here", "false");
}

/// Newer files keep base and scaling among rope_parameters, whose type "default" is none.
void read_positions(Config& config, const Family& family, Model& model) {
  const Field parameters = config["rope_parameters"];
  if (parameters.present()) {
    ObjectReader rope = parameters.object();
    model.rope_theta = rope["rope_theta"].number(kPositive, family.rope_theta);
    model.rope_scaled = rope["rope_type"].text("default") != "default";
  } else {
    model.rope_theta = config["rope_theta"].number(kPositive, family.rope_theta);
    model.rope_scaled = config["rope_scaling"].present();
  }
}

int64_t shared_width(Config& config, const Family& family, const Model& model) {
  switch (family.shared) {
    case Shared::none:
      return 0;
    case Shared::counted:
      return Config::uniform(config({"n_shared_experts", "num_shared_expert"}), {0, kExperts.most}) *
             model.expert_intermediate;
    case Shared::of_width:
      return config({"shared_expert_intermediate_size", "shared_intermediate_size"}).integer({0, kIntermediate.most});
    case Shared::one:
      return model.expert_intermediate;
    case Shared::dense_residual:  // as wide as the model (arctic, modeling_arctic.py)
      return config["parallel_attn_mlp_res"].boolean(true) && config["use_residual"].boolean(true) ? model.hidden : 0;
  }
  return 0;
}

/// DeepSeek-V2's smaller models are greedy over all experts.
void read_groups(Config& config, Model& model) {
  const int64_t groups = config["n_group"].integer(kExperts, 1);
  const int64_t of_token = config["topk_group"].integer(kExperts, groups);
  if (config["topk_method"].text("") == "greedy") return;
  model.expert_groups = groups;
  model.groups_per_token = of_token;
}

void read_experts(Config& config, const Family& family, Model& model) {
  model.num_experts =
      config({"num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"}).integer(kExperts);
  model.top_k =
      Config::uniform(config({"num_experts_per_tok", "experts_per_token", "moe_top_k", "moe_topk"}), kExperts);
  read_groups(config, model);
  model.expert_intermediate = Config::uniform(config(family.expert_width), kIntermediate);
  read_moe_layers(config, family, model);
  const bool has_dense = model.num_moe_layers() < model.num_layers;
  if (family.dense_width != nullptr) {
    const Field width = config[family.dense_width];
    model.dense_intermediate = has_dense || width.present() ? width.integer(kIntermediate) : 0;
  }
  model.shared_intermediate = shared_width(config, family, model);
  model.shared_gate = family.shared_gate && model.shared_intermediate > 0;
  model.shared_norm = family.shared == Shared::dense_residual && model.shared_intermediate > 0;
  model.expert_bias = family.expert_bias;
  // deepseek's topk_method says whether a learned bias per expert balances the load.
  const bool balances = config["topk_method"].text("noaux_tc") == "noaux_tc";
  model.router_bias = family.router_bias && balances && config["use_routing_bias"].boolean(true);
  model.normalize_top_k = config["norm_topk_prob"].boolean(family.normalize_top_k);
  model.auxiliary_coefficient = config({"router_aux_loss_coef", "aux_loss_alpha", "moe_loss_weight"})
                                    .number(kNotNegative, family.auxiliary_coefficient);
}

void read_uncomputed(Config& config, const Family& family, Model& model) {
  model.uncomputed.assign(family.uncomputed.begin(), family.uncomputed.end());
  for (const hugging_face::Uncomputed& rule : hugging_face::uncomputed_keys()) {
    const Field field = config[rule.key];
    const bool told = std::find(model.uncomputed.begin(), model.uncomputed.end(), rule.words) != model.uncomputed.end();
    if (field.present() && !told && field.json() != Json::parse(rule.neutral)) model.uncomputed.push_back(rule.words);
  }
}

/// Modules that predict further tokens are not part of the decoder's step.
void leave_out_predictors(Config& config, Model& model) {
  for (const char* key : {"num_nextn_predict_layers", "num_mtp_modules", "mtp_num_hidden_layers"}) {
    const int64_t modules = config[key].integer({0, kLayers.most}, 0);
    if (modules > 0)
      model.left_out.push_back(std::to_string(modules) + " multi-token prediction module" + (modules > 1 ? "s" : "") +
                               " (" + key + ")");
  }
}

/// Absent, none, or a list of such.
bool says_nothing(const Json& value) {
  if (value.is_array()) return std::all_of(value.begin(), value.end(), says_nothing);
  return value == false || value == 0 || value == "" || (value.is_object() && value.empty());
}

/// What nobody asked for: parts beside the decoder and unknown keys are named, unknown shapes refused.
void judge_the_rest(Config& config, const Family& family, Model& model) {
  const bool nested = config.main().pointer() != config.parts().back().pointer();
  for (const ObjectReader& part : config.parts())
    for (const std::string& key : part.unasked()) {
      const Json& value = part.json()[key];
      const bool known = std::find(family.known.begin(), family.known.end(), key) != family.known.end();
      const hugging_face::Unasked judgement = hugging_face::judged(key);
      if (known || judgement == hugging_face::Unasked::harmless || says_nothing(value)) continue;
      const bool beside = nested && &part != &config.main() && key.ends_with("_config");
      if (judgement == hugging_face::Unasked::changes_shapes && !beside)
        ObjectReader(part)[key].refuse(
            "is a key that " + model.family + " is not known to have, and may change a shape", "known keys only",
            "remove it if it changes no parameter");
      model.left_out.push_back(beside ? "what " + key + " describes" : "the unknown key " + key.substr(0, 80));
    }
}

std::string name_from(const std::string& file, const std::string& fallback) {
  const std::filesystem::path path(file);
  if (path.stem() != "config") return path.stem().string();
  const std::string folder = path.parent_path().filename().string();
  return folder.empty() ? fallback : folder;
}

}  // namespace

Model read_hugging_face(const Json& json, const std::string& file, const std::string& pointer) {
  const Json kept = hugging_face::without_nulls(ObjectReader(json, file, pointer).json());
  Config config(kept, file, pointer);
  const Field type = config["model_type"];
  const Family& family = family_of(type, config["is_encoder_decoder"]);
  Model model;
  model.family = type.text();
  if (model.family.ends_with("_text")) model.family.resize(model.family.size() - 5);  // a decoder's own part
  model.name = name_from(file, model.family);
  model.source = config({"_source", "_name_or_path"}).text("");
  read_shape(config, family, model);
  read_attention(config, family, model);
  read_positions(config, family, model);
  read_sight(config, family, model);
  read_experts(config, family, model);
  read_weight_types(config, model);
  read_uncomputed(config, family, model);
  leave_out_predictors(config, model);
  judge_the_rest(config, family, model);
  check_model(model, config.main());
  return model;
}

}  // namespace moesaic
