#include "core/blocks/head.h"

#include "core/blocks/tensor_parallel.h"
#include "core/operators/loss.h"

namespace moesaic {
namespace {

using operands::CrossEntropy;

/// Ranks that serve the same tokens cut a head of its own by its vocabulary.
int vocabulary_parts(const StepBuilder& b) {
  const int copies = b.plan().layout.token_copies();
  return b.training() || b.model().tied_embeddings || b.model().vocabulary % copies != 0 ? 1 : copies;
}

std::string table_name(const Model& model) { return model.tied_embeddings ? "embedding" : "head"; }

/// [parts * rows, vocabulary / parts]
TensorId gather_logits(StepBuilder& b, TensorId part) {
  const Tensor of = b.graph().tensors[part];
  const TensorId all = b.activation("logits.gathered", vocabulary_parts(b) * of.fixed_rows, of.row_elements, of.dtype);
  exchange_rows(b, Op::all_gather, "tp", "gather logits", part, all,
                bytes_of(of.dtype, of.fixed_rows * of.row_elements));
  return all;
}

}  // namespace

LinearLayer HeadBlock::projection(const StepBuilder& b) const {
  const RowCount rows = b.training() ? b.tokens() : RowCount(b.sequences());
  return {"head", table_name(b.model()), b.model().vocabulary / vocabulary_parts(b), b.model().hidden, rows};
}

void HeadBlock::declare(StepBuilder& b) const {
  NormLayer::declare(b, "final_norm");
  if (!b.model().tied_embeddings) b.table("head", vocabulary_parts(b));
}

TensorId HeadBlock::forward(StepBuilder& b, TensorId x) {
  const LinearLayer head = projection(b);
  normed_ = norm_.forward(b, "final_norm", x, head.rows);
  const TensorId logits = head.forward(b, normed_, "logits");
  if (!b.training()) return vocabulary_parts(b) == 1 ? logits : gather_logits(b, logits);
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
