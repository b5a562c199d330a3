// Tasks that bring rows to the experts and back -> operator calls.
#include <algorithm>
#include <cstring>

#include "core/operators/row_movers.h"
#include "executor/cpu/embedding.h"
#include "executor/cpu/kernels.h"
#include "executor/cpu/once_per_node.h"
#include "executor/cpu/permute.h"
#include "executor/launch/chunk_route.h"
#include "executor/launch/row_order.h"

namespace moesaic::executor::cpu {
namespace {

/// A row for every slice of a choice's expert.
PermuteShape permute_shape(const ChunkRoute& c) { return {c.tokens.count, c.top_k * c.slices, c.hidden}; }

template <typename Element>
void permute_to(const Launch& l) {
  using Permute = operands::Permute;
  const ChunkRoute c(l, l.reads[Permute::route]);
  const Operand& send = l.writes[Permute::send];
  const float* z = l.reads[Permute::z].f32() + c.first_element();
  const PermuteShape shape = permute_shape(c);
  if (is_padded(l)) set_to_zero(send);
  if (l.task.rows != Rows::once_sent) return permute_forward(z, c.route.rows, send.as<Element>(), shape);
  permute_forward(z, first_mentions(c.route.places, shape.m, shape.k).data(), send.as<Element>(), shape);
  for (int64_t i = 0; i < shape.m * shape.k; ++i)
    if (c.route.rows[i] >= 0) l.writes[Permute::places].i32()[c.route.rows[i]] = c.route.places[i];
}

void permute(const Launch& l, RoundedWeights&) {
  l.writes[operands::Permute::send].dtype == DType::bf16 ? permute_to<BFloat16>(l) : permute_to<float>(l);
}

void permute_gradient(const Launch& l, RoundedWeights&) {
  using Permute = operands::PermuteBackward;
  const ChunkRoute c(l, l.reads[Permute::route]);
  permute_backward(l.reads[Permute::d_send].f32(), c.route.rows, l.writes[Permute::sum].f32() + c.first_element(),
                   permute_shape(c));
}

/// Every slice of an expert counts with the weight of the choice.
std::vector<float> weights_of_rows(const ChunkRoute& c) {
  std::vector<float> weights;
  weights.reserve(static_cast<size_t>(c.tokens.count * c.top_k * c.slices));
  for (int64_t choice = 0; choice < c.tokens.count * c.top_k; ++choice)
    weights.insert(weights.end(), static_cast<size_t>(c.slices), c.route.weights[choice]);
  return weights;
}

void unpermute(const Launch& l, RoundedWeights&) {
  using Unpermute = operands::Unpermute;
  const ChunkRoute c(l, l.reads[Unpermute::route]);
  unpermute_forward(l.reads[Unpermute::returned].f32(), c.route.rows, weights_of_rows(c).data(),
                    has_residual(l) ? l.reads[Unpermute::residual].f32() + c.first_element() : nullptr,
                    l.writes[Unpermute::sum].f32() + c.first_element(), permute_shape(c));
}

template <typename Element>
void unpermute_gradient_to(const Launch& l) {
  using Unpermute = operands::UnpermuteBackward;
  const ChunkRoute c(l, l.reads[Unpermute::route]);
  const PermuteShape shape = permute_shape(c);
  const Operand& d_returned = l.writes[Unpermute::d_returned];
  if (is_padded(l)) set_to_zero(d_returned);
  std::vector<float> d_weights(static_cast<size_t>(shape.m * shape.k));
  unpermute_backward(l.reads[Unpermute::d_sum].f32() + c.first_element(), l.reads[Unpermute::returned].f32(),
                     c.route.rows, weights_of_rows(c).data(), d_returned.as<Element>(), d_weights.data(), shape);
  float* d_choices = l.writes[Unpermute::d_weights].f32() + c.first_choice();
  const auto slices = static_cast<size_t>(c.slices);
  std::fill_n(d_choices, d_weights.size() / slices, 0.0f);
  for (size_t i = 0; i < d_weights.size(); ++i) d_choices[i / slices] += d_weights[i];
}

void unpermute_gradient(const Launch& l, RoundedWeights&) {
  l.writes[operands::UnpermuteBackward::d_returned].dtype == DType::bf16 ? unpermute_gradient_to<BFloat16>(l)
                                                                         : unpermute_gradient_to<float>(l);
}

/// Pieces of rows are as wide as what one rank holds of the columns.
void regroup_columns(const Launch& l, bool join) {
  const Operand &from = l.reads[operands::RowMove::rows], &to = l.writes[operands::RowMove::moved];
  const int64_t h = l.task.shape.k, parts = h / (join ? from : to).row_elements;
  (join ? join_columns : split_columns)(from.f32(), to.f32(), l.task.fixed_rows, h, parts);
}

/// From rows once per (token, node).
void repeat_rows(const Launch& l) {
  using RowMove = operands::RowMove;
  const auto row_bytes = static_cast<size_t>(bytes_of(l.reads[RowMove::rows].dtype, l.task.shape.k));
  const auto* from = l.reads[RowMove::rows].as<std::byte>();
  const int32_t* places = l.reads[RowMove::places].i32();
  auto* to = l.writes[RowMove::moved].as<std::byte>();
  for (const RepeatedSegment& s : repeated_segments(l.chunk_counts(), l.context.position(), l.context.ranks_per_node()))
    for (int64_t i = s.place; i < s.place + s.rows; ++i, to += row_bytes)
      std::memcpy(to, from + static_cast<size_t>(places[i] + s.shift) * row_bytes, row_bytes);
}

void regroup(const Launch& l, RoundedWeights&) {
  const Regroup order = l.task.regroup;
  if (order == Regroup::join_columns || order == Regroup::split_columns)
    return regroup_columns(l, order == Regroup::join_columns);
  if (order == Regroup::repeat) return repeat_rows(l);
  const Operand& from = l.reads[operands::RowMove::rows];
  const Bytes row_bytes = bytes_of(from.dtype, l.task.shape.k);
  auto* to = l.writes[operands::RowMove::moved].as<std::byte>();
  for (const RowSegment& segment :
       regroup_segments(order, l.chunk_counts(), l.context.position(), l.context.ranks_per_node())) {
    std::memcpy(to, from.as<std::byte>() + segment.from * row_bytes, static_cast<size_t>(segment.rows * row_bytes));
    to += segment.rows * row_bytes;
  }
}

constexpr CpuKernel kRowMoverKernels[] = {{Op::permute, permute},
                                          {Op::permute_backward, permute_gradient},
                                          {Op::unpermute, unpermute},
                                          {Op::unpermute_backward, unpermute_gradient},
                                          {Op::regroup, regroup}};

}  // namespace

std::span<const CpuKernel> row_mover_kernels() { return kRowMoverKernels; }

}  // namespace moesaic::executor::cpu
