// Tasks of the router -> operator calls.
#include "core/operators/router.h"
#include "executor/cpu/kernels.h"
#include "executor/cpu/once_per_node.h"
#include "executor/cpu/own_choices.h"
#include "executor/cpu/router.h"
#include "executor/cpu/row_placement.h"
#include "executor/launch/chunk_route.h"
#include "executor/launch/own_rows.h"

namespace moesaic::executor::cpu {
namespace {

/// Part by part, because capacity and send buffers are the chunk's or source's. local_counts: announced_counts().
void router(const Launch& l, RoundedWeights&) {
  using Router = operands::Router;
  const int64_t h = l.task.shape.k, experts = l.task.shape.n, top_k = l.task.shape.top_k;
  const TaskGraph& graph = *l.context.graph;
  const int parts = graph.router_parts();
  for (int part = 0; part < parts; ++part) {
    const TokenRange tokens = chunk_tokens(l, part, parts);
    const int64_t capacity = chunk_capacity(l, part, parts).value_or(kNoCapacity);
    const Route route = route_at(l, l.writes[Router::route], tokens.first);
    std::vector<int64_t> counts(static_cast<size_t>(experts));
    router_forward(l.reads[Router::z].f32() + tokens.first * h, l.reads[Router::w].f32(),
                   l.writes[Router::probabilities].f32() + tokens.first * experts, route.chosen, route.weights,
                   counts.data(), {tokens.count, h, experts, top_k, capacity, normalises_weights(l)});
    const std::vector<int64_t> of_slots =
        place_rows(route.chosen, counts, tokens.count, top_k,
                   {graph.placement[l.task.moe_layer].slot_to_expert, graph.expert_slices, is_padded(l) ? capacity : 0},
                   route.rows);
    if (const std::vector<int64_t> starts = node_starts(l, of_slots); !starts.empty())
      place_once(route.rows, tokens.count, top_k * graph.expert_slices, starts, route.places, node_counts(l, part));
    for (int64_t e = 0; e < experts; ++e)
      l.writes[Router::local_counts].i32()[part * experts + e] = static_cast<int32_t>(counts[static_cast<size_t>(e)]);
  }
}

void own_choices(const Launch& l, RoundedWeights&) { keep_own_rows(OwnChoices(l)); }

/// The auxiliary loss' gradient of every token's probabilities, [experts]; adds this rank's part of
/// alpha E sum_e f_e P_e to the loss.
std::vector<float> auxiliary_gradient(const Launch& l) {
  const AuxiliaryTerm term(l);
  const auto experts = static_cast<size_t>(l.task.shape.n);
  std::vector<double> chosen(experts, 0), mass(experts, 0);
  for (int64_t source = 0; source < term.sources; ++source)
    for (int64_t i = 0; i < term.row_elements; ++i)
      chosen[static_cast<size_t>(i) % experts] += term.counts[source * term.stride + i];
  const float* p = l.reads[operands::RouterBackward::probabilities].f32();
  for (int64_t t = 0; t < l.task.fixed_rows; ++t)
    for (size_t e = 0; e < experts; ++e) mass[e] += p[static_cast<size_t>(t) * experts + e];
  std::vector<float> gradient(experts);
  double auxiliary = 0;
  for (size_t e = 0; e < experts; ++e) {
    gradient[e] = static_cast<float>(term.scale * chosen[e]);
    auxiliary += term.scale * chosen[e] * mass[e];
  }
  *term.loss += auxiliary;
  return gradient;
}

void router_gradient(const Launch& l, RoundedWeights&) {
  using Router = operands::RouterBackward;
  const std::vector<float> auxiliary = auxiliary_gradient(l);
  const Route route = route_at(l, l.reads[Router::route], 0);
  set_to_zero(l.writes[Router::dz]);
  router_backward(
      l.reads[Router::d_weights].f32(), l.reads[Router::probabilities].f32(), route.chosen, route.weights,
      auxiliary.data(), l.reads[Router::z].f32(), l.reads[Router::w].f32(), l.writes[Router::dz].f32(),
      l.writes[Router::dw].f32(),
      {l.task.fixed_rows, l.task.shape.k, l.task.shape.n, l.task.shape.top_k, kNoCapacity, normalises_weights(l)});
}

constexpr CpuKernel kRouterKernels[] = {
    {Op::router, router}, {Op::own_choices, own_choices}, {Op::router_backward, router_gradient}};

}  // namespace

std::span<const CpuKernel> router_kernels() { return kRouterKernels; }

}  // namespace moesaic::executor::cpu
