#include "core/blocks/tensor_parallel.h"

#include <algorithm>

#include "core/blocks/block.h"
#include "core/operators/collectives.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

bool replicates(const StepBuilder& b) { return b.plan().layout.token_copies() > 1; }
bool is_backward(const StepBuilder& b) { return b.scope().phase == Phase::backward; }

}  // namespace

void exchange_rows(StepBuilder& b, Op op, const std::string& family, const std::string& what, TensorId from,
                   TensorId to, Bytes bytes) {
  Task& task = b.task(op, what, {}, 0, {{operands::Collective::sent, from}}, {{operands::Collective::received, to}});
  task.lane = Lane::network;
  task.communicator = b.communicator(family);
  task.bytes = bytes;
  task.moe_layer = -1;  // routing decides nothing here
}

int64_t own_kv_heads(const StepBuilder& b) { return std::max<int64_t>(1, b.model().num_kv_heads / b.plan().layout.tp); }

int64_t kv_sharers(const StepBuilder& b) { return std::max<int64_t>(1, b.plan().layout.tp / b.model().num_kv_heads); }

RowCount group_tokens(const StepBuilder& b) {
  if (b.plan().layout.tp == b.plan().layout.token_copies()) return b.tokens();
  MOESAIC_CHECK(b.tokens().rows == Rows::fixed, "a tensor-parallel group gathers equally many tokens of each rank");
  return b.plan().layout.tp * b.tokens().fixed;
}

TensorId gather_in_group(StepBuilder& b, const std::string& what, TensorId own, int64_t rows, int64_t row_elements,
                         DType dtype) {
  const TensorId all = b.activation(in_layer(b, what + ".gathered"), b.plan().layout.tp * rows, row_elements, dtype);
  exchange_rows(b, Op::all_gather, "tp", "gather " + what, own, all, rows * bytes_of(dtype, row_elements));
  return all;
}

TensorId gather_rows(StepBuilder& b, const std::string& what, TensorId own) {
  if (b.plan().layout.tp == 1) return own;
  if (replicates(b)) return is_backward(b) ? whole_gradient(b, what, own) : own;
  const Tensor part = b.graph().tensors[own];
  return gather_in_group(b, what, own, b.tokens().fixed, part.row_elements, part.dtype);
}

TensorId sum_rows(StepBuilder& b, const std::string& what, TensorId partial) {
  if (b.plan().layout.tp == 1) return partial;
  if (replicates(b)) return is_backward(b) ? partial : sum_of_copies(b, what, partial);
  const Tensor whole = b.graph().tensors[partial];
  const TensorId own = b.activation(in_layer(b, what + ".summed"), b.tokens(), whole.row_elements, whole.dtype);
  exchange_rows(b, Op::reduce_scatter, "tp", "sum " + what, partial, own,
                bytes_of(whole.dtype, b.tokens().fixed * whole.row_elements));
  return own;
}

/// The parts are still added to what comes by the residual, so that the sum stands beside them.
TensorId whole_gradient(StepBuilder& b, const std::string& what, TensorId part) {
  if (!replicates(b)) return part;
  const Tensor of = b.graph().tensors[part];
  const int64_t share = b.tokens().fixed * of.row_elements / b.plan().layout.tp;
  const TensorId summed = b.activation(in_layer(b, what + ".summed"), 1, share, of.dtype);
  exchange_rows(b, Op::reduce_scatter, "tp", "sum " + what, part, summed, bytes_of(of.dtype, share));
  const TensorId whole = b.activation(in_layer(b, what + ".whole"), b.tokens(), of.row_elements, of.dtype);
  exchange_rows(b, Op::all_gather, "tp", "gather " + what, summed, whole, bytes_of(of.dtype, share));
  return whole;
}

TensorId sum_of_copies(StepBuilder& b, const std::string& what, TensorId partial) {
  if (!replicates(b)) return partial;
  const Tensor& of = b.graph().tensors[partial];
  exchange_rows(b, Op::all_reduce, "tp", "sum " + what, partial, partial,
                bytes_of(of.dtype, b.tokens().fixed * of.row_elements));
  return partial;
}

}  // namespace moesaic
