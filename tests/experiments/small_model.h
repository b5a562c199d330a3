#pragma once
// A model whose counts can be worked out on paper: 8 experts of 2 * 16 * 64 weights in each of 2 of 3 layers.

#include "core/schema/model.h"

namespace moesaic::experiments {

inline Model small_model() {
  Model model;
  model.name = "small", model.num_layers = 3, model.hidden = 16, model.num_heads = model.num_kv_heads = 4;
  model.head_dim = 4, model.vocabulary = 256, model.num_experts = 8, model.top_k = 1;
  model.expert_intermediate = model.dense_intermediate = 64, model.moe_layers = {false, true, true};
  model.tied_embeddings = false;
  return model;
}

}  // namespace moesaic::experiments
