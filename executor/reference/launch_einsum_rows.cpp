// Tasks that bring rows to the experts and back by products with masks -> operator calls.
#include "core/operators/einsum_rows.h"
#include "executor/launch/chunk_route.h"
#include "executor/launch/mask_operands.h"
#include "executor/reference/einsum_rows.h"
#include "executor/reference/kernels.h"
#include "executor/reference/values.h"

namespace moesaic::executor::reference {
namespace {

void route_masks(const Launch& l, Stateless&) {
  using Masks = operands::RouteMasks;
  const ChunkRoute c(l, l.reads[Masks::route]);
  const Operand& mask = l.writes[Masks::mask];
  make_masks(c.route.rows, c.route.weights, Output(l.writes[Masks::combine]), Output(l.writes[Masks::weights]),
             Output(mask), c.top_k, c.slices, mask_shape(l, mask));
}

void dispatch(const Launch& l, Stateless&) {
  using Dispatch = operands::EinsumDispatch;
  const Operand& mask = l.reads[Dispatch::mask];
  einsum_dispatch(Input(l.reads[Dispatch::x]), Input(mask), Output(l.writes[Dispatch::rows]), mask_shape(l, mask));
}

void combine(const Launch& l, Stateless&) {
  using Combine = operands::EinsumCombine;
  const Operand& mask = l.reads[Combine::mask];
  einsum_combine(Input(l.reads[Combine::rows]), Input(mask), Input(l.reads[Combine::base]),
                 Output(l.writes[Combine::sum]), mask_shape(l, mask));
}

void weights_gradient(const Launch& l, Stateless&) {
  using Gradient = operands::EinsumWeightsGradient;
  const ChunkRoute c(l, l.reads[Gradient::route]);
  const Operand& d_masks = l.writes[Gradient::d_masks];
  einsum_weights_gradient(Input(l.reads[Gradient::d_sum]), Input(l.reads[Gradient::rows]), c.route.rows,
                          Output(d_masks), Output(l.writes[Gradient::d_weights]), c.top_k, c.slices,
                          mask_shape(l, d_masks));
}

constexpr ReferenceKernel kEinsumKernels[] = {{Op::route_masks, route_masks},
                                              {Op::einsum_dispatch, dispatch},
                                              {Op::einsum_combine, combine},
                                              {Op::einsum_weights_gradient, weights_gradient}};

}  // namespace

std::span<const ReferenceKernel> einsum_kernels() { return kEinsumKernels; }

}  // namespace moesaic::executor::reference
