#pragma once
// The families of Mixture-of-Experts models that Hugging Face configurations name, as facts: what their keys are called
// where that differs, and what no key says. Reading is hugging_face.cpp's.

#include <string>
#include <vector>

#include "core/schema/model.h"

namespace moesaic::hugging_face {

/// Which layers have experts. A step: those whose number, from 1, it divides.
enum class MoeLayers { all, every_step, after_dense, period };

/// What every token passes through beside the routed experts.
enum class Shared { none, counted, of_width, one, dense_residual };

/// Which keys a layer's queries see, where layer_types does not say it layer by layer.
enum class Sight {
  all,
  window,              // sliding_window in every layer, where it is given
  asked_window,        // where use_sliding_window is true
  alternating_window,  // layers 0, 2, 4, ...
  chunks,              // of attention_chunk_size, but in layers without rotary positions
  gated_delta,         // a recurrence but in every full_attention_interval-th layer
  lightning,           // a recurrence where attn_type_list has 0
  mamba,               // a recurrence but in one layer of attn_layer_period
};

/// Norms of queries and keys.
enum class HeadNorms { none, each_head, all_heads };

struct Family {
  std::vector<const char*> names;  // values of model_type; the first is the family's name
  // Widths: the same key means an expert's here and a dense layer's there.
  std::vector<const char*> expert_width = {"intermediate_size"};
  const char* dense_width = nullptr;  // null: no layer is dense
  MoeLayers moe = MoeLayers::all;
  Shared shared = Shared::none;
  bool shared_gate = false;
  bool latent_attention = false;
  Sight sight = Sight::all;
  int64_t head_dim = 0;  // where no key gives it; 0: hidden / heads
  HeadNorms head_norms = HeadNorms::none;
  bool head_norms_asked = true;  // the default of use_qk_norm
  bool attention_bias = false;   // the default of the key
  bool attention_out_bias = true;
  bool attention_sinks = false;
  bool attention_gate = false;
  bool expert_bias = false;
  bool router_bias = false;  // unless topk_method or use_routing_bias says otherwise
  bool normalize_top_k = true;
  Norm norm = Norm::rms_norm;
  bool norm_bias = true;
  double norm_epsilon = 1e-5;
  double rope_theta = 10000;
  double auxiliary_coefficient = 0.01;
  std::vector<const char*> uncomputed = {};  // what no key says
  std::vector<const char*> known = {};       // keys that change no shape here
};

/// The family of a model_type; null: not known.
const Family* family_named(const std::string& model_type);
std::vector<std::string> family_names();

/// Why models of a known model_type cannot be read; "": no reason.
std::string reason_against(const std::string& model_type);

/// A key that changes what a model computes and none of its shapes, unless it has its neutral value.
struct Uncomputed {
  const char* key;
  const char* neutral;  // as JSON
  const char* words;
};
const std::vector<Uncomputed>& uncomputed_keys();

/// How a key that nobody asked for is to be taken.
enum class Unasked { harmless, unknown, changes_shapes };
Unasked judged(const std::string& key);

}  // namespace moesaic::hugging_face
