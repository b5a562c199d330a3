#include "core/blocks/head.h"

#include "core/operators/loss.h"

namespace moesaic {
namespace {

using operands::CrossEntropy;

std::string table_name(const Model& model) { return model.tied_embeddings ? "embedding" : "head"; }

}  // namespace

LinearLayer HeadBlock::projection(const StepBuilder& b) const {
  const RowCount rows = b.training() ? b.tokens() : RowCount(b.sequences());
  return {"head", table_name(b.model()), b.model().vocabulary, b.model().hidden, rows};
}

void HeadBlock::declare(StepBuilder& b) const {
  NormLayer::declare(b, "final_norm");
  if (!b.model().tied_embeddings) b.table("head");
}

TensorId HeadBlock::forward(StepBuilder& b, TensorId x) {
  const LinearLayer head = projection(b);
  normed_ = norm_.forward(b, "final_norm", x, head.rows);
  const TensorId logits = head.forward(b, normed_, "logits");
  if (!b.training()) return logits;
  OpShape shape;
  shape.n = b.model().vocabulary;
  d_logits_ = b.activation("d_logits", head.rows, b.model().vocabulary);
  b.task(Op::cross_entropy, "cross entropy", shape, head.rows,
         {{CrossEntropy::logits, logits}, {CrossEntropy::targets, b.targets_in()}},
         {{CrossEntropy::d_logits, d_logits_}, {CrossEntropy::loss, b.inputs().loss}});
  return kNoTensor;
}

TensorId HeadBlock::backward(StepBuilder& b, TensorId) {
  const LinearLayer head = projection(b);
  const TensorId d_normed = head.input_gradient(b, d_logits_, "d_final_norm");
  head.weight_gradient(b, d_logits_, normed_);
  return norm_.backward(b, d_normed, kNoTensor);
}

}  // namespace moesaic
