#include "core/blocks/embedding.h"

#include "core/operators/embedding.h"

namespace moesaic {
namespace {

using operands::Embed, operands::EmbedBackward;

OpShape table_shape(const StepBuilder& b) { return linear_shape(b.model().vocabulary, b.model().hidden); }

}  // namespace

/// In a pipeline the first and the last stage hold a tied table.
void EmbeddingBlock::declare(StepBuilder& b) const {
  Parameter& table = b.table("embedding");
  if (!b.model().tied_embeddings || b.plan().layout.pp == 1) return;
  table.other_stage = b.plan().layout.pp - 1;
  table.replicas = b.communicator("embedding");
}

TensorId EmbeddingBlock::forward(StepBuilder& b, TensorId) {
  const TensorId x = b.activation("embedded", b.tokens(), b.model().hidden);
  b.task(Op::embed, "embed", table_shape(b), b.tokens(),
         {{Embed::tokens, b.tokens_in()}, {Embed::table, b.weight("embedding")}}, {{Embed::x, x}});
  return x;
}

TensorId EmbeddingBlock::backward(StepBuilder& b, TensorId dx) {
  b.task(Op::embed_backward, "embed", table_shape(b), b.tokens(),
         {{EmbedBackward::dx, dx}, {EmbedBackward::tokens, b.tokens_in()}},
         {{EmbedBackward::d_table, b.gradient("embedding")}});
  return kNoTensor;
}

}  // namespace moesaic
