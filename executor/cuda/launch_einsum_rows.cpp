// Tasks that bring rows to the experts and back by products with masks -> operator calls.
#include "core/operators/einsum_rows.h"
#include "executor/cuda/einsum_rows.h"
#include "executor/cuda/kernels.h"
#include "executor/cuda/storage_format.h"
#include "executor/launch/chunk_route.h"
#include "executor/launch/mask_operands.h"

namespace moesaic::executor::cuda {
namespace {

void route_masks(const Launch& l, CudaKernels& d) {
  using Masks = operands::RouteMasks;
  const ChunkRoute c(l, l.reads[Masks::route]);
  const Operand& mask = l.writes[Masks::mask];
  with_element(mask.dtype, [&]<typename Element>(Element) {
    make_masks(c.route.rows, c.route.weights, l.writes[Masks::combine].f32(), l.writes[Masks::weights].as<Element>(),
               mask.as<Element>(), c.top_k, c.slices, mask_shape(l, mask), d.stream);
  });
}

void dispatch(const Launch& l, CudaKernels& d) {
  using Dispatch = operands::EinsumDispatch;
  const Operand& mask = l.reads[Dispatch::mask];
  with_element(mask.dtype, [&]<typename Element>(Element) {
    einsum_dispatch(d.linear, l.reads[Dispatch::x].as<const Element>(), mask.as<const Element>(),
                    l.writes[Dispatch::rows].as<Element>(), mask_shape(l, mask), d.stream);
  });
}

void combine(const Launch& l, CudaKernels& d) {
  using Combine = operands::EinsumCombine;
  const Operand& mask = l.reads[Combine::mask];
  with_element(mask.dtype, [&]<typename Element>(Element) {
    einsum_combine(d.linear, l.reads[Combine::rows].as<const Element>(), mask.as<const Element>(),
                   l.reads[Combine::base].as<const Element>(), l.writes[Combine::sum].as<Element>(),
                   mask_shape(l, mask), d.stream);
  });
}

void weights_gradient(const Launch& l, CudaKernels& d) {
  using Gradient = operands::EinsumWeightsGradient;
  const ChunkRoute c(l, l.reads[Gradient::route]);
  const Operand &rows = l.reads[Gradient::rows], &d_masks = l.writes[Gradient::d_masks];
  with_element(rows.dtype, [&]<typename Element>(Element) {
    einsum_weights_gradient(d.linear, l.reads[Gradient::d_sum].as<const Element>(), rows.as<const Element>(),
                            c.route.rows, d_masks.f32(), l.writes[Gradient::d_weights].f32(), c.top_k, c.slices,
                            mask_shape(l, d_masks), d.stream);
  });
}

constexpr CudaKernel kEinsumKernels[] = {{Op::route_masks, route_masks},
                                         {Op::einsum_dispatch, dispatch},
                                         {Op::einsum_combine, combine},
                                         {Op::einsum_weights_gradient, weights_gradient}};

}  // namespace

std::span<const CudaKernel> einsum_kernels() { return kEinsumKernels; }

}  // namespace moesaic::executor::cuda
