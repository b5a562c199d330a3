#include "core/blocks/choice_rows.h"

#include "core/operators/einsum_rows.h"
#include "core/operators/row_movers.h"
#include "core/routing/routing_rules.h"

namespace moesaic {
namespace {

using operands::EinsumCombine, operands::EinsumDispatch, operands::EinsumWeightsGradient, operands::Permute,
    operands::PermuteBackward, operands::RouteMasks, operands::Unpermute, operands::UnpermuteBackward;

bool uses_einsum(const StepBuilder& b) { return b.plan().dispatch.kernel == RowKernel::einsum; }

/// A choice sends a row to every slice of its expert; their results add up.
OpShape choice_shape(const StepBuilder& b) {
  OpShape shape = width_shape(b.model().hidden);
  shape.top_k = b.model().top_k * b.plan().layout.expert_slices;
  return shape;
}

/// Padded rows are a fixed number: the capacity of every slice of every expert.
OpShape mask_shape(const StepBuilder& b) {
  const int64_t capacity = capacity_rows(b.plan().dispatch.capacity_factor, b.graph().routed_tokens(), b.model().top_k,
                                         b.model().num_experts);
  return linear_shape(capacity * b.model().num_experts * b.plan().layout.expert_slices, b.model().hidden);
}

}  // namespace

int64_t route_elements(const StepBuilder& b) {
  const int64_t of_slice = nodes_reached_once(b.plan()) > 0 ? 2 : 1;
  return (2 + of_slice * b.plan().layout.expert_slices) * b.model().top_k;
}

void ChoiceRows::begin(StepBuilder& b, TensorId route, TensorId counts) {
  route_ = route;
  counts_ = counts;
  if (uses_einsum(b)) make_masks(b);
}

void ChoiceRows::make_masks(StepBuilder& b) {
  const OpShape shape = mask_shape(b);
  const TensorId combine = b.activation(in_layer(b, "combine_weights"), b.routed_tokens(), shape.n, DType::f32);
  weights_ = b.activation(in_layer(b, "weights_mask"), b.routed_tokens(), shape.n);
  mask_ = b.activation(in_layer(b, "dispatch_mask"), b.routed_tokens(), shape.n);
  b.task(Op::route_masks, "masks", shape, b.routed_tokens(), {{RouteMasks::route, route_}},
         {{RouteMasks::weights, weights_}, {RouteMasks::mask, mask_}, {RouteMasks::combine, combine}});
}

TensorId ChoiceRows::rows(StepBuilder& b, const char* name) const {
  return b.activation(in_layer(b, name), b.routed_rows(), b.model().hidden, b.operand_dtype());
}

TensorId ChoiceRows::to_experts(StepBuilder& b, TensorId z) {
  const TensorId send = rows(b, "send");
  if (uses_einsum(b))
    b.task(Op::einsum_dispatch, "dispatch product", mask_shape(b), b.routed_tokens(),
           {{EinsumDispatch::x, z}, {EinsumDispatch::mask, mask_}, {EinsumDispatch::counts, counts_}},
           {{EinsumDispatch::rows, send}});
  else
    b.task(Op::permute, "permute", choice_shape(b), b.routed_rows(),
           {{Permute::z, z}, {Permute::route, route_}, {Permute::counts, counts_}}, {{Permute::send, send}});
  return send;
}

TensorId ChoiceRows::to_tokens(StepBuilder& b, TensorId returned, TensorId residual) {
  const TensorId sum = b.activation(in_layer(b, "moe_sum"), b.routed_tokens(), b.model().hidden);
  if (uses_einsum(b)) {
    b.task(Op::einsum_combine, "combine product", mask_shape(b), b.routed_tokens(),
           {{EinsumCombine::rows, returned}, {EinsumCombine::mask, weights_}, {EinsumCombine::base, residual}},
           {{EinsumCombine::sum, sum}});
    return sum;
  }
  NamedOperands reads = {{Unpermute::returned, returned}, {Unpermute::route, route_}};
  if (residual != kNoTensor) reads.push_back({Unpermute::residual, residual});
  b.task(Op::unpermute, "unpermute", choice_shape(b), b.routed_rows(), reads, {{Unpermute::sum, sum}});
  return sum;
}

ChoiceRows::Gradients ChoiceRows::to_tokens_gradient(StepBuilder& b, TensorId d_sum, TensorId returned) const {
  const TensorId d_returned = rows(b, "d_returned");
  const TensorId d_weights = b.activation(in_layer(b, "d_weights"), b.routed_tokens(), b.model().top_k, DType::f32);
  if (!uses_einsum(b)) {
    b.task(Op::unpermute_backward, "unpermute", choice_shape(b), b.routed_rows(),
           {{UnpermuteBackward::d_sum, d_sum},
            {UnpermuteBackward::returned, returned},
            {UnpermuteBackward::route, route_}},
           {{UnpermuteBackward::d_returned, d_returned}, {UnpermuteBackward::d_weights, d_weights}});
    return {d_returned, d_weights};
  }
  const OpShape shape = mask_shape(b);
  b.task(Op::einsum_dispatch, "combine product", shape, b.routed_tokens(),
         {{EinsumDispatch::x, d_sum}, {EinsumDispatch::mask, weights_}}, {{EinsumDispatch::rows, d_returned}});
  const TensorId d_masks = b.activation(in_layer(b, "d_masks"), b.routed_tokens(), shape.n, DType::f32);
  b.task(Op::einsum_weights_gradient, "weights of choices", shape, b.routed_tokens(),
         {{EinsumWeightsGradient::d_sum, d_sum},
          {EinsumWeightsGradient::rows, returned},
          {EinsumWeightsGradient::route, route_}},
         {{EinsumWeightsGradient::d_weights, d_weights}, {EinsumWeightsGradient::d_masks, d_masks}});
  return {d_returned, d_weights};
}

void ChoiceRows::to_experts_gradient(StepBuilder& b, TensorId d_send, TensorId dz) const {
  if (uses_einsum(b))
    b.task(Op::einsum_combine, "dispatch product", mask_shape(b), b.routed_tokens(),
           {{EinsumCombine::rows, d_send}, {EinsumCombine::mask, mask_}, {EinsumCombine::base, dz}},
           {{EinsumCombine::sum, dz}});
  else
    b.task(Op::permute_backward, "permute", choice_shape(b), b.routed_rows(),
           {{PermuteBackward::d_send, d_send}, {PermuteBackward::route, route_}, {PermuteBackward::dz, dz}},
           {{PermuteBackward::sum, dz}});
}

}  // namespace moesaic
