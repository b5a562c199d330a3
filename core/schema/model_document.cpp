// The model document: the short form of GPT-MoE, the complete form of any family, or a Hugging Face config.json.

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/hugging_face.h"
#include "core/schema/model_limits.h"
#include "core/schema/object_reader.h"

namespace moesaic {
namespace {

constexpr const char* kActivations[] = {"gelu", "swiglu"};
constexpr const char* kNorms[] = {"layer_norm", "rms_norm"};
constexpr const char* kRoutings[] = {"router", "task"};
constexpr const char* kMoeLayerNames[] = {"all", "every_other"};
// Bytes of 16-byte training state per parameter, times any small factor, stay within 64 bits.
constexpr double kMaxParameters = 1e15;
constexpr int64_t kMostOfOneLayer = int64_t{1} << 50;

std::vector<bool> read_layer_list(const Field& field, int64_t num_layers) {
  std::vector<bool> layers(static_cast<size_t>(num_layers), false);
  for (size_t i = 0; i < field.size(); ++i) {
    const auto layer = static_cast<size_t>(field[i].integer({0, num_layers - 1}));
    if (layers[layer]) field[i].refuse("layer " + std::to_string(layer) + " is listed twice");
    layers[layer] = true;
  }
  return layers;
}

Json write_layer_list(const std::vector<bool>& layers) {
  Json list = Json::array();
  for (size_t layer = 0; layer < layers.size(); ++layer)
    if (layers[layer]) list.push_back(layer);
  return list;
}

/// "all", "every_other" (layers 1, 3, 5, ...: the second of each pair, as in DeepSpeed-MoE), or a list of layer
/// indices.
std::vector<bool> read_moe_layers(const Field& field, int64_t num_layers) {
  if (field.present() && !field.json().is_string()) return read_layer_list(field, num_layers);
  std::vector<bool> layers(static_cast<size_t>(num_layers), true);
  const bool every_other = field.present() && field.choice(kMoeLayerNames) == 1;
  for (size_t layer = 0; every_other && layer < layers.size(); layer += 2) layers[layer] = false;
  return layers;
}

/// GPT-MoE as SE-MoE trains it: LayerNorm, GELU, no biases. `intermediate` serves experts and dense layers alike; the
/// head is tied to the embedding unless tied_embeddings is false.
Model read_short_form(ObjectReader reader) {
  constexpr const char* kFamilies[] = {"gpt_moe"};
  Model model;
  model.name = reader["name"].text("");
  model.family = kFamilies[reader["family"].choice(kFamilies)];
  model.source = reader["source"].text("");
  model.num_layers = reader["layers"].integer(kLayers);
  model.hidden = reader["hidden"].integer(kHidden);
  model.num_heads = model.num_kv_heads = reader["heads"].integer(kHeads);
  if (model.hidden % model.num_heads != 0) {
    reader["heads"].refuse("is " + std::to_string(model.num_heads),
                           "a divisor of hidden, " + std::to_string(model.hidden));
  }
  model.head_dim = model.hidden / model.num_heads;
  model.vocabulary = reader["vocabulary"].integer(kVocabulary);
  model.num_experts = reader["experts"].integer(kExperts);
  model.routed_by_task = reader["routing"].choice(kRoutings, 0) == 1;
  model.top_k = reader["top_k"].integer(kExperts);
  model.expert_intermediate = model.dense_intermediate =
      reader["intermediate"].integer(kIntermediate, 4 * model.hidden);
  model.moe_layers = read_moe_layers(reader["moe_layers"], model.num_layers);
  model.normalize_top_k = model.top_k > 1;
  model.tied_embeddings = reader["tied_embeddings"].boolean(model.tied_embeddings);
  model.weight_dtype = model.expert_dtype = reader["weight_dtype"].choice(dtype_names(), model.weight_dtype);
  model.auxiliary_coefficient = reader["auxiliary_coefficient"].number(kNotNegative, model.auxiliary_coefficient);
  reader.finish();
  check_model(model, reader);
  return model;
}

LatentAttention read_latent_attention(ObjectReader reader) {
  LatentAttention mla;
  mla.q_lora_rank = reader["q_lora_rank"].integer({0, kHidden.most});
  mla.kv_lora_rank = reader["kv_lora_rank"].integer(kHidden);
  mla.qk_nope_head_dim = reader["qk_nope_head_dim"].integer(kHidden);
  mla.qk_rope_head_dim = reader["qk_rope_head_dim"].integer(kHidden);
  mla.v_head_dim = reader["v_head_dim"].integer(kHidden);
  reader.finish();
  return mla;
}

RecurrentLayers read_recurrent(ObjectReader reader, int64_t num_layers) {
  RecurrentLayers recurrent;
  recurrent.kind = reader["kind"].text();
  recurrent.parameters = reader["parameters"].integer({0, kMostOfOneLayer});
  recurrent.state_elements = reader["state_elements"].integer({0, kMostOfOneLayer});
  recurrent.layers = read_layer_list(reader["layers"], num_layers);
  reader.finish();
  return recurrent;
}

std::vector<std::string> read_words(const Field& field) {
  if (!field.present()) return {};
  return field.each([](const Field& word) { return word.text(); });
}

void read_attention(ObjectReader& reader, Model& model) {
  model.num_heads = reader["num_heads"].integer(kHeads);
  model.num_kv_heads = reader["num_kv_heads"].integer(kHeads);
  model.head_dim = reader["head_dim"].integer(kHidden);
  if (const Field mla = reader["latent_attention"]; mla.present())
    model.latent_attention = read_latent_attention(mla.object());
  if (const Field window = reader["sliding_window"]; window.present()) {
    model.sliding_window = window.integer(kWindow);
    model.windowed_layers = read_layer_list(reader["windowed_layers"], model.num_layers);
  }
  if (const Field recurrent = reader["recurrent"]; recurrent.present())
    model.recurrent = read_recurrent(recurrent.object(), model.num_layers);
  model.sparse_keys = reader["sparse_keys"].integer({0, kWindow.most}, 0);
  model.attention_bias = reader["attention_bias"].boolean();
  model.attention_out_bias = reader["attention_out_bias"].boolean(true);
  model.attention_gate = reader["attention_gate"].boolean(false);
  model.attention_sinks = reader["attention_sinks"].boolean();
  model.qk_norm = reader["qk_norm"].boolean();
  model.qk_norm_whole = reader["qk_norm_whole"].boolean();
  model.rope_theta = reader["rope_theta"].number(kPositive, model.rope_theta);
  model.rope_scaled = reader["rope_scaled"].boolean(false);
  model.qkv_clipped = reader["qkv_clipped"].boolean(false);
}

void read_experts(ObjectReader& reader, Model& model) {
  model.num_experts = reader["num_experts"].integer(kExperts);
  model.top_k = reader["top_k"].integer(kExperts);
  model.expert_groups = reader["expert_groups"].integer(kExperts, 1);
  model.groups_per_token = reader["groups_per_token"].integer(kExperts, model.expert_groups);
  model.expert_intermediate = reader["expert_intermediate"].integer(kIntermediate);
  model.shared_intermediate = reader["shared_intermediate"].integer({0, int64_t{kExperts.most} * kIntermediate.most});
  model.shared_gate = reader["shared_gate"].boolean(false);
  model.shared_norm = reader["shared_norm"].boolean(false);
  model.dense_intermediate = reader["dense_intermediate"].integer({0, kIntermediate.most});
  model.expert_bias = reader["expert_bias"].boolean();
  model.router_bias = reader["router_bias"].boolean();
  model.normalize_top_k = reader["normalize_top_k"].boolean();
  model.routed_by_task = reader["routing"].choice(kRoutings, 0) == 1;
  const Field layers = reader["moe_layers"];
  layers.size();  // refuses absence and the names of the short form
  model.moe_layers = read_moe_layers(layers, model.num_layers);
}

/// Every field of Model by its own name: what write_model writes. What most models have alike may be left out.
Model read_complete_form(ObjectReader reader) {
  Model model;
  model.name = reader["name"].text();
  model.family = reader["family"].text();
  model.source = reader["source"].text();
  model.num_layers = reader["num_layers"].integer(kLayers);
  model.hidden = reader["hidden"].integer(kHidden);
  model.vocabulary = reader["vocabulary"].integer(kVocabulary);
  read_attention(reader, model);
  read_experts(reader, model);
  model.activation = static_cast<Activation>(reader["activation"].choice(kActivations));
  model.norm = static_cast<Norm>(reader["norm"].choice(kNorms));
  model.norm_epsilon = reader["norm_epsilon"].number(kPositive, model.norm_epsilon);
  model.norm_bias = reader["norm_bias"].boolean(true);
  model.tied_embeddings = reader["tied_embeddings"].boolean();
  model.head_bias = reader["head_bias"].boolean(false);
  model.weight_dtype = static_cast<DType>(reader["weight_dtype"].choice(dtype_names()));
  model.expert_dtype = static_cast<DType>(reader["expert_dtype"].choice(dtype_names()));
  if (const Field dtype = reader["table_dtype"]; dtype.present())
    model.table_dtype = static_cast<DType>(dtype.choice(dtype_names()));
  model.auxiliary_coefficient = reader["auxiliary_coefficient"].number(kNotNegative);
  model.uncomputed = read_words(reader["uncomputed"]);
  model.left_out = read_words(reader["left_out"]);
  reader.finish();
  check_model(model, reader);
  return model;
}

/// An upper bound that cannot overflow, for models whose dimensions are each in range and together absurd.
double rough_parameters(const Model& model) {
  const auto hidden = static_cast<double>(model.hidden);
  const double widest_head = static_cast<double>(model.num_heads) * static_cast<double>(model.head_dim);
  double attention = 5 * hidden * widest_head;  // with a gate of its output
  if (const auto& mla = model.latent_attention) {
    const double ranks = static_cast<double>(mla->q_lora_rank) + static_cast<double>(mla->kv_lora_rank);
    const double head = static_cast<double>(mla->qk_nope_head_dim + mla->qk_rope_head_dim + mla->v_head_dim);
    attention = (ranks + hidden) * (hidden + static_cast<double>(model.num_heads) * head);
  }
  if (model.recurrent) attention += static_cast<double>(model.recurrent->parameters);
  const double width = static_cast<double>(model.num_experts) * static_cast<double>(model.expert_intermediate) +
                       static_cast<double>(model.shared_intermediate + model.dense_intermediate);
  return static_cast<double>(model.num_layers) * (attention + 3 * hidden * width) +
         2 * hidden * static_cast<double>(model.vocabulary);
}

void check_groups(const Model& model, const ObjectReader& reader) {
  const int64_t groups = model.expert_groups, of_token = model.groups_per_token;
  if (model.num_experts % groups != 0 || of_token > groups || of_token * (model.num_experts / groups) < model.top_k)
    reader.refuse("chooses top_k " + std::to_string(model.top_k) + " in " + std::to_string(of_token) + " of " +
                      std::to_string(groups) + " groups of " + std::to_string(model.num_experts) + " experts",
                  "groups that divide the experts, and of them for each token enough to hold top_k experts");
}

}  // namespace

void check_model(const Model& model, const ObjectReader& reader) {
  if (model.top_k > model.num_experts) {
    reader.refuse(
        "chooses top_k " + std::to_string(model.top_k) + " of " + std::to_string(model.num_experts) + " experts",
        "top_k of at most the number of experts");
  }
  check_groups(model, reader);
  if (model.num_heads % model.num_kv_heads != 0) {
    reader.refuse(
        std::to_string(model.num_heads) + " heads share " + std::to_string(model.num_kv_heads) + " key-value heads",
        "a number of key-value heads that divides the heads");
  }
  if (model.routed_by_task && model.top_k != 1) reader.refuse("routes by task to more than one expert", "top_k 1");
  const int64_t moe = model.num_moe_layers();
  if (moe == 0) reader.refuse("has no MoE layer", "at least one");
  if (moe < model.num_layers && model.dense_intermediate == 0) {
    reader.refuse("has layers without experts, whose width is 0", "a width of the dense layers above 0");
  }
  if (!(rough_parameters(model) < kMaxParameters)) reader.refuse("has more than 1e15 parameters", "smaller dimensions");
}

Model read_model(const Json& json, const std::string& file, const std::string& pointer) {
  if (json.is_object() && !json.contains("kind") && (json.contains("model_type") || json.contains("architectures"))) {
    return read_hugging_face(json, file, pointer);
  }
  ObjectReader reader = open_document(json, file, pointer, "model");
  return json.contains("num_layers") ? read_complete_form(reader) : read_short_form(reader);
}

Json write_model(const Model& model) {
  Json json = {{"kind", "moesaic.model/1"},
               {"name", model.name},
               {"family", model.family},
               {"source", model.source},
               {"num_layers", model.num_layers},
               {"hidden", model.hidden},
               {"vocabulary", model.vocabulary},
               {"num_heads", model.num_heads},
               {"num_kv_heads", model.num_kv_heads},
               {"head_dim", model.head_dim},
               {"attention_bias", model.attention_bias},
               {"attention_sinks", model.attention_sinks},
               {"qk_norm", model.qk_norm},
               {"qk_norm_whole", model.qk_norm_whole},
               {"num_experts", model.num_experts},
               {"top_k", model.top_k},
               {"expert_intermediate", model.expert_intermediate},
               {"shared_intermediate", model.shared_intermediate},
               {"dense_intermediate", model.dense_intermediate},
               {"expert_bias", model.expert_bias},
               {"router_bias", model.router_bias},
               {"normalize_top_k", model.normalize_top_k},
               {"moe_layers", write_layer_list(model.moe_layers)},
               {"activation", kActivations[static_cast<size_t>(model.activation)]},
               {"norm", kNorms[static_cast<size_t>(model.norm)]},
               {"tied_embeddings", model.tied_embeddings},
               {"weight_dtype", name_of(model.weight_dtype)},
               {"expert_dtype", name_of(model.expert_dtype)},
               {"auxiliary_coefficient", model.auxiliary_coefficient}};
  if (model.sliding_window > 0) {
    json["sliding_window"] = model.sliding_window;
    json["windowed_layers"] = write_layer_list(model.windowed_layers);
  }
  if (model.rope_theta != Model{}.rope_theta) json["rope_theta"] = model.rope_theta;
  if (model.rope_scaled) json["rope_scaled"] = true;
  if (model.qkv_clipped) json["qkv_clipped"] = true;
  if (model.sparse_keys > 0) json["sparse_keys"] = model.sparse_keys;
  if (model.expert_groups > 1) {
    json["expert_groups"] = model.expert_groups;
    json["groups_per_token"] = model.groups_per_token;
  }
  if (!model.attention_out_bias) json["attention_out_bias"] = false;
  if (model.attention_gate) json["attention_gate"] = true;
  if (model.shared_gate) json["shared_gate"] = true;
  if (model.shared_norm) json["shared_norm"] = true;
  if (!model.norm_bias) json["norm_bias"] = false;
  if (model.head_bias) json["head_bias"] = true;
  if (model.table_dtype) json["table_dtype"] = name_of(*model.table_dtype);
  if (!model.uncomputed.empty()) json["uncomputed"] = model.uncomputed;
  if (!model.left_out.empty()) json["left_out"] = model.left_out;
  if (const auto& recurrent = model.recurrent) {
    json["recurrent"] = {{"kind", recurrent->kind},
                         {"parameters", recurrent->parameters},
                         {"state_elements", recurrent->state_elements},
                         {"layers", write_layer_list(recurrent->layers)}};
  }
  if (model.norm_epsilon != Model{}.norm_epsilon) json["norm_epsilon"] = model.norm_epsilon;
  if (model.routed_by_task) json["routing"] = kRoutings[1];
  if (const auto& mla = model.latent_attention) {
    json["latent_attention"] = {{"q_lora_rank", mla->q_lora_rank},
                                {"kv_lora_rank", mla->kv_lora_rank},
                                {"qk_nope_head_dim", mla->qk_nope_head_dim},
                                {"qk_rope_head_dim", mla->qk_rope_head_dim},
                                {"v_head_dim", mla->v_head_dim}};
  }
  return json;
}

}  // namespace moesaic
