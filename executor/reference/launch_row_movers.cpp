// Tasks that bring rows to the experts and back -> operator calls.
#include <optional>

#include "core/operators/row_movers.h"
#include "executor/launch/chunk_route.h"
#include "executor/launch/row_order.h"
#include "executor/reference/embedding.h"
#include "executor/reference/kernels.h"
#include "executor/reference/permute.h"
#include "executor/reference/values.h"

namespace moesaic::executor::reference {
namespace {

/// A row for every slice of a choice's expert.
PermuteShape permute_shape(const ChunkRoute& c) { return {c.tokens.count, c.top_k * c.slices, c.hidden}; }

/// Of the chunk's tokens in [tokens, hidden].
template <typename Values>
Values of_tokens(const Operand& operand, const ChunkRoute& c) {
  return Values(operand, c.first_element(), c.tokens.count * c.hidden);
}

/// Every slice of an expert counts with the weight of the choice.
std::vector<double> weights_of_rows(const ChunkRoute& c) {
  std::vector<double> weights;
  for (int64_t row = 0; row < c.tokens.count * c.top_k * c.slices; ++row)
    weights.push_back(c.route.weights[row / c.slices]);
  return weights;
}

void permute(const Launch& l, Stateless&) {
  using Permute = operands::Permute;
  const ChunkRoute c(l, l.reads[Permute::route]);
  if (is_padded(l)) set_to_zero(l.writes[Permute::send]);
  const PermuteShape shape = permute_shape(c);
  const bool once = l.task.rows == Rows::once_sent;
  permute_forward(of_tokens<Input>(l.reads[Permute::z], c), once ? c.route.places : c.route.rows,
                  Output(l.writes[Permute::send]), shape);
  for (int64_t i = 0; once && i < shape.m * shape.k; ++i)
    if (c.route.rows[i] >= 0) l.writes[Permute::places].i32()[c.route.rows[i]] = c.route.places[i];
}

void permute_gradient(const Launch& l, Stateless&) {
  using Permute = operands::PermuteBackward;
  const ChunkRoute c(l, l.reads[Permute::route]);
  permute_backward(Input(l.reads[Permute::d_send]), c.route.rows, of_tokens<Output>(l.writes[Permute::sum], c),
                   permute_shape(c));
}

void unpermute(const Launch& l, Stateless&) {
  using Unpermute = operands::Unpermute;
  const ChunkRoute c(l, l.reads[Unpermute::route]);
  std::optional<Input> residual;
  if (has_residual(l)) residual.emplace(of_tokens<Input>(l.reads[Unpermute::residual], c));
  unpermute_forward(Input(l.reads[Unpermute::returned]), c.route.rows, weights_of_rows(c).data(),
                    residual ? static_cast<const double*>(*residual) : nullptr,
                    of_tokens<Output>(l.writes[Unpermute::sum], c), permute_shape(c));
}

void unpermute_gradient(const Launch& l, Stateless&) {
  using Unpermute = operands::UnpermuteBackward;
  const ChunkRoute c(l, l.reads[Unpermute::route]);
  const Operand& d_returned = l.writes[Unpermute::d_returned];
  if (is_padded(l)) set_to_zero(d_returned);
  std::vector<double> of_rows(static_cast<size_t>(c.tokens.count * c.top_k * c.slices));
  unpermute_backward(of_tokens<Input>(l.reads[Unpermute::d_sum], c), Input(l.reads[Unpermute::returned]), c.route.rows,
                     weights_of_rows(c).data(), Output(d_returned), of_rows.data(), permute_shape(c));
  const auto slices = static_cast<size_t>(c.slices);
  std::vector<double> of_choices(of_rows.size() / slices, 0.0);
  for (size_t row = 0; row < of_rows.size(); ++row) of_choices[row / slices] += of_rows[row];
  write_values(of_choices, l.writes[Unpermute::d_weights], c.first_choice());
}

/// Pieces of rows are as wide as what one rank holds of the columns.
void regroup_columns(const Launch& l, bool join) {
  const Operand &from = l.reads[operands::RowMove::rows], &to = l.writes[operands::RowMove::moved];
  const int64_t h = l.task.shape.k, parts = h / (join ? from : to).row_elements;
  (join ? join_columns : split_columns)(Input(from), Output(to), l.task.fixed_rows, h, parts);
}

/// From rows once per (token, node).
void repeat_rows(const Launch& l) {
  using RowMove = operands::RowMove;
  const int64_t width = l.task.shape.k;
  int64_t to = 0;
  for (const RepeatedSegment& s : repeated_segments(l.chunk_counts(), l.context.position(), l.context.ranks_per_node()))
    for (int64_t i = s.place; i < s.place + s.rows; ++i, to += width)
      write_values(read_values(l.reads[RowMove::rows], (l.reads[RowMove::places].i32()[i] + s.shift) * width, width),
                   l.writes[RowMove::moved], to);
}

void regroup(const Launch& l, Stateless&) {
  const Regroup order = l.task.regroup;
  if (order == Regroup::join_columns || order == Regroup::split_columns)
    return regroup_columns(l, order == Regroup::join_columns);
  if (order == Regroup::repeat) return repeat_rows(l);
  const int64_t width = l.task.shape.k;
  int64_t to = 0;
  for (const RowSegment& segment :
       regroup_segments(order, l.chunk_counts(), l.context.position(), l.context.ranks_per_node())) {
    write_values(read_values(l.reads[operands::RowMove::rows], segment.from * width, segment.rows * width),
                 l.writes[operands::RowMove::moved], to);
    to += segment.rows * width;
  }
}

constexpr ReferenceKernel kRowMoverKernels[] = {{Op::permute, permute},
                                                {Op::permute_backward, permute_gradient},
                                                {Op::unpermute, unpermute},
                                                {Op::unpermute_backward, unpermute_gradient},
                                                {Op::regroup, regroup}};

}  // namespace

std::span<const ReferenceKernel> row_mover_kernels() { return kRowMoverKernels; }

}  // namespace moesaic::executor::reference
