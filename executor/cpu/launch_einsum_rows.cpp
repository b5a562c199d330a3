// Tasks that bring rows to the experts and back by products with masks -> operator calls.
#include "core/operators/einsum_rows.h"
#include "executor/cpu/einsum_rows.h"
#include "executor/cpu/kernels.h"
#include "executor/launch/chunk_route.h"
#include "executor/launch/mask_operands.h"

namespace moesaic::executor::cpu {
namespace {

void route_masks(const Launch& l, RoundedWeights&) {
  using Masks = operands::RouteMasks;
  const ChunkRoute c(l, l.reads[Masks::route]);
  const Operand& mask = l.writes[Masks::mask];
  make_masks(c.route.rows, c.route.weights, l.writes[Masks::combine].f32(), l.writes[Masks::weights].f32(), mask.f32(),
             c.top_k, c.slices, mask_shape(l, mask));
}

void dispatch_by_mask(const Launch& l, RoundedWeights&) {
  using Dispatch = operands::EinsumDispatch;
  const Operand &mask = l.reads[Dispatch::mask], &rows = l.writes[Dispatch::rows];
  const float* x = l.reads[Dispatch::x].f32();
  if (rows.dtype == DType::bf16)
    einsum_dispatch(x, mask.f32(), rows.as<BFloat16>(), mask_shape(l, mask));
  else
    einsum_dispatch(x, mask.f32(), rows.f32(), mask_shape(l, mask));
}

void combine_by_mask(const Launch& l, RoundedWeights&) {
  using Combine = operands::EinsumCombine;
  const Operand& mask = l.reads[Combine::mask];
  einsum_combine(l.reads[Combine::rows].f32(), mask.f32(), l.reads[Combine::base].f32(), l.writes[Combine::sum].f32(),
                 mask_shape(l, mask));
}

void weights_gradient(const Launch& l, RoundedWeights&) {
  using Gradient = operands::EinsumWeightsGradient;
  const ChunkRoute c(l, l.reads[Gradient::route]);
  const Operand& d_masks = l.writes[Gradient::d_masks];
  einsum_weights_gradient(l.reads[Gradient::d_sum].f32(), l.reads[Gradient::rows].f32(), c.route.rows, d_masks.f32(),
                          l.writes[Gradient::d_weights].f32(), c.top_k, c.slices, mask_shape(l, d_masks));
}

constexpr CpuKernel kEinsumKernels[] = {{Op::route_masks, route_masks},
                                        {Op::einsum_dispatch, dispatch_by_mask},
                                        {Op::einsum_combine, combine_by_mask},
                                        {Op::einsum_weights_gradient, weights_gradient}};

}  // namespace

std::span<const CpuKernel> einsum_kernels() { return kEinsumKernels; }

}  // namespace moesaic::executor::cpu
