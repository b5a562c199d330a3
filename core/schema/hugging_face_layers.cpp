#include "core/schema/hugging_face_layers.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/schema/formatted.h"
#include "core/schema/model_limits.h"

namespace moesaic::hugging_face {
namespace {

constexpr IntegerRange kFrom0{0, kLayers.most};

template <typename Is>
std::vector<bool> layers_where(int64_t num_layers, Is is) {
  std::vector<bool> layers;
  for (int64_t layer = 0; layer < num_layers; ++layer) layers.push_back(is(layer));
  return layers;
}

/// A list with one element per layer.
void check_length(const Field& list, const Model& model) {
  if (list.size() == static_cast<size_t>(model.num_layers)) return;
  list.refuse("names " + std::to_string(list.size()) + " layers",
              std::to_string(model.num_layers) + " as the number of layers says");
}

std::vector<bool> every_step(Config& config, int64_t num_layers) {
  const int64_t step =
      config({"decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_frequency"}).integer(kLayers, 1);
  std::vector<bool> layers = layers_where(num_layers, [step](int64_t layer) { return (layer + 1) % step == 0; });
  const Field dense = config["mlp_only_layers"], moe = config["moe_layers"];
  if (moe.present()) layers.assign(layers.size(), false);
  for (const auto& [list, is_moe] : {std::pair{dense, false}, {moe, true}})
    for (size_t i = 0; list.present() && i < list.size(); ++i)
      layers[static_cast<size_t>(list[i].integer({0, num_layers - 1}))] = is_moe;
  return layers;
}

// ---- Recurrences: parameters and state of one layer ----------------------------------------------------------------

/// Qwen3-Next (transformers, modeling_qwen3_next.py): queries, keys, values and gate z in one projection, beta and
/// alpha of each value head in another; a convolution over queries, keys and values; A and dt of each head; a norm over
/// a head.
void gated_delta_net(Config& config, const Model& m, RecurrentLayers& r) {
  const int64_t key_dim = config["linear_key_head_dim"].integer(kHidden);
  const int64_t value_dim = config["linear_value_head_dim"].integer(kHidden);
  const int64_t heads = config["linear_num_value_heads"].integer(kHeads);
  const int64_t keys = config["linear_num_key_heads"].integer(kHeads) * key_dim, values = heads * value_dim;
  const int64_t kernel = config["linear_conv_kernel_dim"].integer(kCount), mixed = 2 * keys + values;
  r.kind = "linear attention (gated delta net)";
  r.parameters = m.hidden * (mixed + values + 2 * heads) + mixed * kernel + 2 * heads + value_dim + values * m.hidden;
  r.state_elements = values * key_dim + mixed * (kernel - 1);
}

/// MiniMax-Text-01 (arXiv 2501.08313): queries, keys and values of all heads, a gate, a norm over all heads, the
/// output.
void lightning_attention(const Model& m, RecurrentLayers& r) {
  const int64_t width = m.num_heads * m.head_dim;
  r.kind = "linear attention (lightning)";
  r.parameters = m.hidden * 5 * width + width;
  r.state_elements = width * m.head_dim;
}

/// Jamba (transformers, modeling_jamba.py): mamba with norms of dt, B and C.
void mamba(Config& config, const Model& m, RecurrentLayers& r) {
  const int64_t inner = config["mamba_expand"].integer(kCount) * m.hidden;
  const int64_t state = config["mamba_d_state"].integer(kHidden), kernel = config["mamba_d_conv"].integer(kHidden);
  const Field given = config["mamba_dt_rank"];
  const bool is_auto = !given.present() || given.json() == "auto";
  const int64_t rank = is_auto ? (m.hidden + 15) / 16 : given.integer(kHidden);
  const int64_t conv_bias = config["mamba_conv_bias"].boolean(true) ? inner : 0;
  const int64_t proj_bias = config["mamba_proj_bias"].boolean(false) ? 2 * inner + m.hidden : 0;
  r.kind = "mamba";
  r.parameters = 2 * m.hidden * inner + inner * kernel + conv_bias + inner * (rank + 2 * state) + rank * inner + inner +
                 inner * state + inner + inner * m.hidden + proj_bias + rank + 2 * state;
  r.state_elements = inner * (state + kernel - 1);
}

void read_recurrent(Config& config, const Family& family, std::vector<bool> layers, Model& model) {
  if (std::find(layers.begin(), layers.end(), true) == layers.end()) return;
  RecurrentLayers& recurrent = model.recurrent.emplace();
  recurrent.layers = std::move(layers);
  if (family.sight == Sight::gated_delta) gated_delta_net(config, model, recurrent);
  if (family.sight == Sight::lightning) lightning_attention(model, recurrent);
  if (family.sight == Sight::mamba) mamba(config, model, recurrent);
}

// ---- Windows -------------------------------------------------------------------------------------------------------

/// Layers with another sight than all keys, by the family's rule.
std::vector<bool> other_sight(Config& config, const Family& family, const Model& model) {
  const auto where = [&](auto is) { return layers_where(model.num_layers, is); };
  const bool asked = config["use_sliding_window"].boolean(family.sight == Sight::window);
  switch (family.sight) {
    case Sight::all: {
      if (asked)
        config["use_sliding_window"].refuse("is true, and which layers have a window is not known here", "false");
      const Field types = config["attn_type_list"];  // of MiniMax, whose M2 has one for the sake of earlier ones
      if (types.present()) types.each([](const Field& type) { return type.integer({1, 1}); });
      break;
    }
    case Sight::window:
    case Sight::asked_window:
      return where([&](int64_t) { return asked && config["sliding_window"].present(); });
    case Sight::alternating_window:
      return where([](int64_t layer) { return layer % 2 == 0; });
    case Sight::chunks: {
      const Field rotary = config["no_rope_layers"];  // 1: with rotary positions, transformers, configuration_llama4.py
      const int64_t interval = config["no_rope_layer_interval"].integer(kLayers, 4);
      if (!rotary.present() || rotary.size() == 0) return where([=](int64_t l) { return (l + 1) % interval != 0; });
      check_length(rotary, model);
      return where([&](int64_t l) { return rotary[static_cast<size_t>(l)].integer({0, 1}) == 1; });
    }
    case Sight::gated_delta: {
      const int64_t interval = config["full_attention_interval"].integer(kLayers, 4);
      return where([=](int64_t layer) { return (layer + 1) % interval != 0; });
    }
    case Sight::lightning: {
      const Field types = config["attn_type_list"];  // 0: a recurrence
      check_length(types, model);
      return where([&](int64_t layer) { return types[static_cast<size_t>(layer)].integer({0, 1}) == 0; });
    }
    case Sight::mamba: {
      const int64_t period = config["attn_layer_period"].integer(kLayers);
      const int64_t offset = config["attn_layer_offset"].integer(kFrom0);
      return where([=](int64_t layer) { return layer % period != offset; });
    }
  }
  return where([](int64_t) { return false; });
}

/// What layer_types calls the sight that a family has beside all keys.
const char* name_of_other_sight(const Family& family) {
  switch (family.sight) {
    case Sight::all:  // an indexer chooses keys in all layers, if in any
      return family.latent_attention ? "deepseek_sparse_attention" : "full_attention";
    case Sight::chunks:
      return "chunked_attention";
    case Sight::gated_delta:
    case Sight::lightning:
    case Sight::mamba:
      return "linear_attention";
    default:
      return "sliding_attention";
  }
}

/// layer_types where it is given: full_attention or what the family has beside it.
std::vector<bool> layers_of_other_sight(Config& config, const Family& family, const Model& model) {
  const Field types = config["layer_types"];
  const char* const names[] = {"full_attention", name_of_other_sight(family)};
  if (!types.present()) return other_sight(config, family, model);
  for (const char* key :
       {"attn_type_list", "full_attention_interval", "no_rope_layers", "no_rope_layer_interval", "use_sliding_window"})
    config[key].present();  // layer_types says the same, layer by layer
  const std::vector<bool> layers = types.each([&](const Field& type) { return type.choice(names) == 1; });
  check_length(types, model);
  return layers;
}

/// DeepSeek-V3.2: queries from the latent query, one key and a weight per head from the input, a LayerNorm of the key.
/// In later models some layers share the indexer of an earlier one.
void read_indexer(Config& config, Model& model) {
  const Field top_k = config["index_topk"];
  if (!top_k.present()) return;
  model.sparse_keys = top_k.integer(kWindow);
  const int64_t heads = config["index_n_heads"].integer(kHeads), dim = config["index_head_dim"].integer(kHidden);
  const int64_t rank = model.latent_attention ? model.latent_attention->q_lora_rank : 0;
  const int64_t parameters = rank * heads * dim + model.hidden * (dim + heads) + 2 * dim;
  constexpr const char* kTypes[] = {"full", "shared"};
  int64_t layers = model.num_layers;
  if (const Field types = config["indexer_types"]; types.present()) {
    const std::vector<size_t> shared = types.each([&](const Field& type) { return type.choice(kTypes); });
    layers = std::count(shared.begin(), shared.end(), size_t{0});
  }
  model.left_out.push_back("the indexer of sparse attention: " + with_commas(layers * parameters) + " parameters in " +
                           std::to_string(layers) + " layers");
}

}  // namespace

void read_moe_layers(Config& config, const Family& family, Model& model) {
  const auto where = [&](auto is) { return layers_where(model.num_layers, is); };
  switch (family.moe) {
    case MoeLayers::all:
      model.moe_layers = where([](int64_t) { return true; });
      return;
    case MoeLayers::every_step:
      model.moe_layers = every_step(config, model.num_layers);
      return;
    case MoeLayers::after_dense: {
      constexpr const char* kTypes[] = {"dense", "sparse"};
      if (const Field types = config["mlp_layer_types"]; types.present()) {
        model.moe_layers = types.each([&](const Field& type) { return type.choice(kTypes) == 1; });
        config({"first_k_dense_replace", "moe_layer_freq"});  // say the same in short
        return check_length(types, model);
      }
      const int64_t first = config({"first_k_dense_replace", "moe_layer_num_skipped"}).integer(kFrom0);
      const int64_t step = config["moe_layer_freq"].integer(kLayers, 1);
      model.moe_layers = where([=](int64_t layer) { return layer >= first && layer % step == 0; });
      return;
    }
    case MoeLayers::period: {
      const int64_t period = config["expert_layer_period"].integer(kLayers);
      const int64_t offset = config["expert_layer_offset"].integer(kFrom0);
      model.moe_layers = where([=](int64_t layer) { return layer % period == offset; });
    }
  }
}

void read_sight(Config& config, const Family& family, Model& model) {
  constexpr int64_t kGptOssWindow = 128, kLlama4Chunk = 8192;  // defaults of their configuration files in transformers
  std::vector<bool> layers = layers_of_other_sight(config, family, model);
  read_indexer(config, model);
  switch (family.sight) {
    case Sight::all:
      return;
    case Sight::gated_delta:
    case Sight::lightning:
    case Sight::mamba:
      return read_recurrent(config, family, std::move(layers), model);
    default:
      break;
  }
  const Field window = config[family.sight == Sight::chunks ? "attention_chunk_size" : "sliding_window"];
  if (std::find(layers.begin(), layers.end(), true) == layers.end()) return;
  model.sliding_window = family.sight == Sight::chunks               ? window.integer(kWindow, kLlama4Chunk)
                         : family.sight == Sight::alternating_window ? window.integer(kWindow, kGptOssWindow)
                                                                     : window.integer(kWindow);
  model.windowed_layers = std::move(layers);
}

}  // namespace moesaic::hugging_face
