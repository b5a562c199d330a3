#include "core/blocks/tensor_parallel.h"

#include "core/blocks/block.h"
#include "core/operators/collectives.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

/// `bytes` per rank: what it contributes to a gathering, what it keeps of a sum.
void exchange_rows(StepBuilder& b, Op op, const std::string& what, TensorId from, TensorId to, Bytes bytes) {
  Task& task = b.task(op, what, {}, 0, {{operands::Collective::sent, from}}, {{operands::Collective::received, to}});
  task.lane = Lane::network;
  task.communicator = b.communicator("tp");
  task.bytes = bytes;
  task.moe_layer = -1;  // routing decides nothing here
}

}  // namespace

RowCount group_tokens(const StepBuilder& b) {
  if (b.plan().layout.tp == 1) return b.tokens();
  MOESAIC_CHECK(b.tokens().rows == Rows::fixed, "a tensor-parallel group gathers equally many tokens of each rank");
  return b.plan().layout.tp * b.tokens().fixed;
}

TensorId gather_in_group(StepBuilder& b, const std::string& what, TensorId own, int64_t rows, int64_t row_elements,
                         DType dtype) {
  const TensorId all = b.activation(in_layer(b, what + ".gathered"), b.plan().layout.tp * rows, row_elements, dtype);
  exchange_rows(b, Op::all_gather, "gather " + what, own, all, rows * bytes_of(dtype, row_elements));
  return all;
}

TensorId gather_rows(StepBuilder& b, const std::string& what, TensorId own) {
  if (b.plan().layout.tp == 1) return own;
  const Tensor part = b.graph().tensors[own];
  return gather_in_group(b, what, own, b.tokens().fixed, part.row_elements, part.dtype);
}

TensorId sum_rows(StepBuilder& b, const std::string& what, TensorId partial) {
  if (b.plan().layout.tp == 1) return partial;
  const Tensor whole = b.graph().tensors[partial];
  const TensorId own = b.activation(in_layer(b, what + ".summed"), b.tokens(), whole.row_elements, whole.dtype);
  exchange_rows(b, Op::reduce_scatter, "sum " + what, partial, own,
                bytes_of(whole.dtype, b.tokens().fixed * whole.row_elements));
  return own;
}

}  // namespace moesaic
