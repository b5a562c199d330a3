// Tasks that bring rows to the experts and back by products with masks -> operator calls.
#include "core/operators/einsum_rows.h"
#include "executor/launch/mask_operands.h"
#include "executor/reference/einsum_rows.h"
#include "executor/reference/kernels.h"
#include "executor/reference/values.h"

namespace moesaic::executor::reference {
namespace {

MaskShape shape_of(const Launch& l, const Operand& mask) { return {mask.rows, mask.row_elements, l.task.shape.k}; }

void route_masks(const Launch& l, Stateless&) {
  using Masks = operands::RouteMasks;
  const ChunkRoute c(l, l.reads[Masks::route]);
  std::vector<double> weights;
  for (int64_t row = 0; row < c.tokens.count * rows_per_token(c); ++row)
    weights.push_back(c.route.weights[row / c.slices]);
  make_masks(c.route.rows, weights.data(), Output(l.writes[Masks::combine]), Output(l.writes[Masks::weights]),
             Output(l.writes[Masks::mask]), rows_per_token(c), shape_of(l, l.writes[Masks::mask]));
}

void dispatch(const Launch& l, Stateless&) {
  using Dispatch = operands::EinsumDispatch;
  const Operand& mask = l.reads[Dispatch::mask];
  einsum_dispatch(Input(l.reads[Dispatch::x]), Input(mask), Output(l.writes[Dispatch::rows]), shape_of(l, mask));
}

void combine(const Launch& l, Stateless&) {
  using Combine = operands::EinsumCombine;
  const Operand& mask = l.reads[Combine::mask];
  einsum_combine(Input(l.reads[Combine::rows]), Input(mask), Input(l.reads[Combine::base]),
                 Output(l.writes[Combine::sum]), shape_of(l, mask));
}

void weights_gradient(const Launch& l, Stateless&) {
  using Gradient = operands::EinsumWeightsGradient;
  const ChunkRoute c(l, l.reads[Gradient::route]);
  const Operand& d_masks = l.writes[Gradient::d_masks];
  const MaskShape shape = shape_of(l, d_masks);
  einsum_weights_gradient(Input(l.reads[Gradient::d_sum]), Input(l.reads[Gradient::rows]), Output(d_masks), shape);
  const std::vector<double> of_rows = read_values(d_masks, 0, d_masks.elements());
  std::vector<double> of_choices(static_cast<size_t>(c.tokens.count * c.top_k), 0.0);
  for (int64_t row = 0; row < c.tokens.count * rows_per_token(c); ++row)
    if (c.route.rows[row] >= 0)
      of_choices[static_cast<size_t>(row / c.slices)] +=
          of_rows[static_cast<size_t>(row / rows_per_token(c) * shape.n + c.route.rows[row])];
  write_values(of_choices, l.writes[Gradient::d_weights], 0);
}

constexpr ReferenceKernel kEinsumKernels[] = {{Op::route_masks, route_masks},
                                              {Op::einsum_dispatch, dispatch},
                                              {Op::einsum_combine, combine},
                                              {Op::einsum_weights_gradient, weights_gradient}};

}  // namespace

std::span<const ReferenceKernel> einsum_kernels() { return kEinsumKernels; }

}  // namespace moesaic::executor::reference
