#include "core/blocks/model_blocks.h"

#include <algorithm>

#include "core/blocks/attention.h"
#include "core/blocks/dense_ffn.h"
#include "core/blocks/embedding.h"
#include "core/blocks/head.h"
#include "core/blocks/latent_attention.h"
#include "core/blocks/moe.h"
#include "core/blocks/task_experts.h"
#include "core/graph/stages.h"

namespace moesaic {
namespace {

std::unique_ptr<Block> attention_of(const Model& model) {
  if (model.latent_attention) return std::make_unique<LatentAttentionBlock>();
  return std::make_unique<AttentionBlock>();
}

std::unique_ptr<Block> ffn_of(const Model& model, int layer) {
  if (!model.moe_layers[static_cast<size_t>(layer)]) return std::make_unique<DenseFfnBlock>();
  if (model.routed_by_task) return std::make_unique<TaskExpertsBlock>();
  return std::make_unique<MoeBlock>();
}

/// The number of a layer among those with experts; -1: it has none.
int moe_index(const Model& model, int layer) {
  if (!model.moe_layers[static_cast<size_t>(layer)]) return -1;
  return static_cast<int>(std::count(model.moe_layers.begin(), model.moe_layers.begin() + layer, true));
}

}  // namespace

std::vector<std::unique_ptr<Block>> blocks_at(const Model& model, int place) {
  std::vector<std::unique_ptr<Block>> blocks;
  if (place < 0) {
    blocks.push_back(std::make_unique<EmbeddingBlock>());
  } else if (place == model.num_layers) {
    blocks.push_back(std::make_unique<HeadBlock>());
  } else {
    blocks.push_back(attention_of(model));
    blocks.push_back(ffn_of(model, place));
  }
  return blocks;
}

std::string unlowered_part(const Model& model) {
  if (model.recurrent)
    return model.recurrent->kind + " in " + std::to_string(model.num_layers - model.num_attention_layers()) + " of " +
           std::to_string(model.num_layers) + " layers";
  if (model.sparse_keys > 0)
    return "sparse attention to " + std::to_string(model.sparse_keys) + " keys that an indexer chooses";
  if (model.attention_gate) return "a gate of attention's output";
  return "";
}

Scope scope_at(const StepBuilder& b, Phase phase, int place, int microbatch) {
  const auto layers = static_cast<int>(b.model().num_layers);
  const int stages = b.plan().layout.pp;
  const int stage = stages == 1 ? -1 : stage_of_layer(std::clamp(place, 0, layers - 1), layers, stages);
  if (place < 0 || place == layers) return {phase, -1, -1, microbatch, stage};
  return {phase, place, moe_index(b.model(), place), microbatch, stage};
}

}  // namespace moesaic
