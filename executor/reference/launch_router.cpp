// Tasks of the router -> operator calls.
#include <algorithm>

#include "core/operators/router.h"
#include "executor/launch/chunk_route.h"
#include "executor/launch/own_rows.h"
#include "executor/reference/kernels.h"
#include "executor/reference/once_per_node.h"
#include "executor/reference/router.h"
#include "executor/reference/row_placement.h"
#include "executor/reference/values.h"

namespace moesaic::executor::reference {
namespace {

/// Chooses for the tokens of a chunk or source, whose capacity and send buffer are its own. counts: [num_experts].
void route_part(const Launch& l, int part, int64_t capacity, int32_t* counts) {
  using Router = operands::Router;
  const int64_t h = l.task.shape.k, experts = l.task.shape.n, top_k = l.task.shape.top_k;
  const TaskGraph& graph = *l.context.graph;
  const TokenRange tokens = chunk_tokens(l, part, graph.router_parts());
  const Route route = route_at(l, l.writes[Router::route], tokens.first);
  std::vector<double> weights(static_cast<size_t>(tokens.count * top_k));
  std::vector<int64_t> rows_of_expert(static_cast<size_t>(experts));
  router_forward(Input(l.reads[Router::z], tokens.first * h, tokens.count * h), Input(l.reads[Router::w]),
                 Output(l.writes[Router::probabilities], tokens.first * experts, tokens.count * experts), route.chosen,
                 weights.data(), rows_of_expert.data(),
                 {tokens.count, h, experts, top_k, capacity, normalises_weights(l)});
  std::copy(weights.begin(), weights.end(), route.weights);
  std::copy(rows_of_expert.begin(), rows_of_expert.end(), counts);
  const std::vector<int64_t> of_slots = place_rows(
      route.chosen, tokens.count, top_k,
      {graph.placement[l.task.moe_layer].slot_to_expert, graph.expert_slices, is_padded(l) ? capacity : 0}, route.rows);
  if (const std::vector<int64_t> starts = node_starts(l, of_slots); !starts.empty())
    place_once(route.rows, tokens.count, top_k * graph.expert_slices, starts, route.places, node_counts(l, part));
}

/// local_counts: announced_counts() of every source.
void router(const Launch& l, Stateless&) {
  const int parts = l.context.graph->router_parts();
  for (int part = 0; part < parts; ++part)
    route_part(l, part, chunk_capacity(l, part, parts).value_or(kNoCapacity),
               l.writes[operands::Router::local_counts].i32() + part * l.task.shape.n);
}

/// Row by row: a row of a source is this rank's if it lies in one of the stretches that its slots take.
void own_choices(const Launch& l, Stateless&) {
  const OwnChoices c(l);
  const int64_t choices = c.source_choices * c.num_sources;
  for (int64_t i = 0; i < choices; ++i) {
    c.to.chosen[i] = c.from.chosen[i];
    c.to.weights[i] = c.from.weights[i];
  }
  for (int64_t i = 0; i < choices * c.slices; ++i) {
    const int64_t row = c.from.rows[i], source = i / (c.source_choices * c.slices);
    c.to.rows[i] = -1;
    for (int64_t slot = 0; slot < c.slots; ++slot)
      if (const OwnRows& own = c.own[static_cast<size_t>(source * c.slots + slot)];
          row >= own.first && row < own.first + own.rows)
        c.to.rows[i] = static_cast<int32_t>(own.to + row - own.first);
  }
}

/// The auxiliary loss' gradient of every token's probabilities, [experts].
std::vector<double> auxiliary_gradient(const AuxiliaryTerm& term, int64_t experts) {
  std::vector<double> gradient(static_cast<size_t>(experts), 0.0);
  for (int64_t source = 0; source < term.sources; ++source)
    for (int64_t i = 0; i < term.row_elements; ++i)
      gradient[static_cast<size_t>(i % experts)] += term.scale * term.counts[source * term.stride + i];
  return gradient;
}

/// Also adds this rank's part of alpha E sum_e f_e P_e to the loss.
void router_gradient(const Launch& l, Stateless&) {
  using Router = operands::RouterBackward;
  const AuxiliaryTerm term(l);
  const int64_t m = l.task.fixed_rows, experts = l.task.shape.n;
  const std::vector<double> auxiliary = auxiliary_gradient(term, experts);
  const Input p(l.reads[Router::probabilities]);
  for (int64_t i = 0; i < m * experts; ++i) *term.loss += auxiliary[static_cast<size_t>(i % experts)] * p[i];
  std::vector<double> dz(static_cast<size_t>(l.writes[Router::dz].elements()), 0.0);
  router_backward(Input(l.reads[Router::d_weights]), p, route_at(l, l.reads[Router::route], 0).chosen, auxiliary.data(),
                  Input(l.reads[Router::z]), Input(l.reads[Router::w]), dz.data(), Output(l.writes[Router::dw]),
                  {m, l.task.shape.k, experts, l.task.shape.top_k, kNoCapacity, normalises_weights(l)});
  write_values(dz, l.writes[Router::dz], 0);
}

constexpr ReferenceKernel kRouterKernels[] = {
    {Op::router, router}, {Op::own_choices, own_choices}, {Op::router_backward, router_gradient}};

}  // namespace

std::span<const ReferenceKernel> router_kernels() { return kRouterKernels; }

}  // namespace moesaic::executor::reference
