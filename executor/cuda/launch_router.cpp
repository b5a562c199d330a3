// Tasks of the router -> operator calls.
#include "core/operators/router.h"
#include "executor/cuda/kernels.h"
#include "executor/cuda/own_choices.h"
#include "executor/cuda/router.h"
#include "executor/cuda/storage_format.h"
#include "executor/launch/chunk_route.h"
#include "executor/launch/own_rows.h"

namespace moesaic::executor::cuda {
namespace {

RowPlacement row_placement(const Launch& l) {
  const TaskGraph& graph = *l.context.graph;
  return {graph.placement[l.task.moe_layer].slot_to_expert, graph.expert_slices,
          expert_capacity(l).value_or(kNoCapacity), is_padded(l), nodes_reached_once(*l.context.plan)};
}

RouterShape router_shape(const Launch& l, int64_t tokens) {
  return {tokens, l.task.shape.k, l.task.shape.n, l.task.shape.top_k, normalises_weights(l)};
}

void router(const Launch& l, CudaKernels& d) {
  using Router = operands::Router;
  const TaskGraph& graph = *l.context.graph;
  const Operand &z = l.reads[Router::z], &w = l.reads[Router::w];
  with_element(z.dtype, [&]<typename Element>(Element) {
    router_forward(d.linear, z.as<const Element>(), w.as<const Element>(), l.writes[Router::probabilities].f32(),
                   route_at(l, l.writes[Router::route], 0), l.writes[Router::local_counts].i32(),
                   router_shape(l, graph.routed_tokens()), graph.router_parts(), row_placement(l), d.stream);
  });
}

AuxiliaryLoss auxiliary_loss(const Launch& l) {
  const AuxiliaryTerm term(l);
  const int64_t experts = l.task.shape.n;
  return {term.scale, term.counts, term.sources * term.row_elements / experts, term.loss, term.row_elements / experts,
          term.stride};
}

void router_gradient(const Launch& l, CudaKernels& d) {
  using Router = operands::RouterBackward;
  const Route route = route_at(l, l.reads[Router::route], 0);
  const Operand &z = l.reads[Router::z], &w = l.reads[Router::w];
  with_element(z.dtype, [&]<typename Element>(Element) {
    router_backward(d.linear, l.reads[Router::d_weights].f32(), l.reads[Router::probabilities].f32(), route.chosen,
                    route.weights, auxiliary_loss(l), z.as<const Element>(), w.as<const Element>(),
                    l.writes[Router::dz].as<Element>(), l.writes[Router::dw].as<Element>(),
                    router_shape(l, l.task.fixed_rows), d.stream);
  });
}

void own_choices(const Launch& l, CudaKernels& d) { keep_own_rows(OwnChoices(l), d.linear.scratch(), d.stream); }

constexpr CudaKernel kKernels[] = {
    {Op::router, router}, {Op::own_choices, own_choices}, {Op::router_backward, router_gradient}};

}  // namespace

std::span<const CudaKernel> router_kernels() { return kKernels; }

}  // namespace moesaic::executor::cuda
