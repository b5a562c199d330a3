// Tasks that bring rows to the experts and back -> operator calls.
#include "core/operators/row_movers.h"
#include "executor/cuda/kernels.h"
#include "executor/cuda/permute.h"
#include "executor/cuda/regroup.h"
#include "executor/cuda/storage_format.h"
#include "executor/launch/chunk_route.h"
#include "executor/launch/row_order.h"

namespace moesaic::executor::cuda {
namespace {

PermuteShape permute_shape(const ChunkRoute& c) { return {c.tokens.count, c.top_k, c.slices, c.hidden}; }

void permute(const Launch& l, CudaKernels& d) {
  using Permute = operands::Permute;
  const ChunkRoute c(l, l.reads[Permute::route]);
  const Operand &z = l.reads[Permute::z], &send = l.writes[Permute::send];
  if (is_padded(l)) set_to_zero(send, d.stream);
  with_element(z.dtype, [&]<typename Element>(Element) {
    const auto* tokens = z.as<const Element>() + c.first_element();
    if (l.task.rows == Rows::once_sent)
      permute_once(tokens, c.route.rows, c.route.places, send.as<Element>(), l.writes[Permute::places].i32(),
                   permute_shape(c), d.stream);
    else
      permute_forward(tokens, c.route.rows, send.as<Element>(), permute_shape(c), d.stream);
  });
}

void permute_gradient(const Launch& l, CudaKernels& d) {
  using Permute = operands::PermuteBackward;
  const ChunkRoute c(l, l.reads[Permute::route]);
  const Operand &d_send = l.reads[Permute::d_send], &sum = l.writes[Permute::sum];
  with_element(d_send.dtype, [&]<typename Element>(Element) {
    permute_backward(d_send.as<const Element>(), c.route.rows, sum.as<Element>() + c.first_element(), permute_shape(c),
                     d.stream);
  });
}

void unpermute(const Launch& l, CudaKernels& d) {
  using Unpermute = operands::Unpermute;
  const ChunkRoute c(l, l.reads[Unpermute::route]);
  const Operand& returned = l.reads[Unpermute::returned];
  with_element(returned.dtype, [&]<typename Element>(Element) {
    unpermute_forward(returned.as<const Element>(), c.route.rows, c.route.weights,
                      has_residual(l) ? l.reads[Unpermute::residual].as<const Element>() + c.first_element() : nullptr,
                      l.writes[Unpermute::sum].as<Element>() + c.first_element(), permute_shape(c), d.stream);
  });
}

void unpermute_gradient(const Launch& l, CudaKernels& d) {
  using Unpermute = operands::UnpermuteBackward;
  const ChunkRoute c(l, l.reads[Unpermute::route]);
  const Operand &d_sum = l.reads[Unpermute::d_sum], &d_returned = l.writes[Unpermute::d_returned];
  if (is_padded(l)) set_to_zero(d_returned, d.stream);
  with_element(d_sum.dtype, [&]<typename Element>(Element) {
    unpermute_backward(d_sum.as<const Element>() + c.first_element(), l.reads[Unpermute::returned].as<const Element>(),
                       c.route.rows, c.route.weights, d_returned.as<Element>(),
                       l.writes[Unpermute::d_weights].f32() + c.first_choice(), permute_shape(c), d.stream);
  });
}

/// Pieces of rows are as wide as what one rank holds of the columns.
void regroup_columns(const Launch& l, bool join, Stream stream) {
  const Operand &from = l.reads[operands::RowMove::rows], &to = l.writes[operands::RowMove::moved];
  const Operand& pieces = join ? from : to;
  (join ? join_columns : split_columns)(from.data, to.data, l.task.fixed_rows, l.task.shape.k / pieces.row_elements,
                                        bytes_of(pieces.dtype, pieces.row_elements), stream);
}

/// From rows once per (token, node).
void repeat(const Launch& l, Stream stream) {
  using RowMove = operands::RowMove;
  const Operand& from = l.reads[RowMove::rows];
  std::vector<RepeatSegment> segments;
  for (const RepeatedSegment& s : repeated_segments(l.chunk_counts(), l.context.position(), l.context.ranks_per_node()))
    segments.push_back({l.reads[RowMove::places].i32() + s.place, s.rows, s.shift});
  repeat_rows(segments, from.data, l.writes[RowMove::moved].data, bytes_of(from.dtype, l.task.shape.k), stream);
}

void regroup(const Launch& l, CudaKernels& d) {
  const Regroup order = l.task.regroup;
  if (order == Regroup::join_columns || order == Regroup::split_columns)
    return regroup_columns(l, order == Regroup::join_columns, d.stream);
  if (order == Regroup::repeat) return repeat(l, d.stream);
  const Operand& from = l.reads[operands::RowMove::rows];
  const Bytes row_bytes = bytes_of(from.dtype, l.task.shape.k);
  std::vector<CopySegment> copies;
  for (const RowSegment& segment :
       regroup_segments(order, l.chunk_counts(), l.context.position(), l.context.ranks_per_node()))
    copies.push_back({from.as<const std::byte>() + segment.from * row_bytes, segment.rows * row_bytes});
  concatenate(copies, l.writes[operands::RowMove::moved].data, d.stream);
}

constexpr CudaKernel kKernels[] = {{Op::permute, permute},
                                   {Op::permute_backward, permute_gradient},
                                   {Op::unpermute, unpermute},
                                   {Op::unpermute_backward, unpermute_gradient},
                                   {Op::regroup, regroup}};

}  // namespace

std::span<const CudaKernel> row_mover_kernels() { return kKernels; }

}  // namespace moesaic::executor::cuda
