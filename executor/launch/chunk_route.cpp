#include "executor/launch/chunk_route.h"

#include "core/operators/router.h"
#include "core/operators/row_movers.h"
#include "core/routing/routing_rules.h"
#include "core/schema/error.h"

namespace moesaic::executor {

Route route_at(const Launch& l, const Operand& route, int64_t first_token) {
  const int64_t k = l.context.plan->model.top_k, choices = l.context.graph->routed_tokens() * k;
  const int64_t slices = l.context.graph->expert_slices, first = first_token * k * slices;
  int32_t *data = route.i32(), *rows = data + 2 * choices;
  return {data + first_token * k, reinterpret_cast<float*>(data + choices) + first_token * k, rows + first,
          nodes_reached_once(*l.context.plan) > 0 ? rows + choices * slices + first : nullptr};
}

TokenRange chunk_tokens(const Launch& l, int chunk, int num_chunks) {
  const int64_t tokens = l.context.graph->routed_tokens(), first = chunk * tokens / num_chunks;
  return {first, (chunk + 1) * tokens / num_chunks - first};
}

ChunkRoute::ChunkRoute(const Launch& l, const Operand& whole)
    : tokens(chunk_tokens(l, l.task.chunk, l.task.num_chunks)),
      route(route_at(l, whole, tokens.first)),
      top_k(l.context.plan->model.top_k),
      slices(l.context.graph->expert_slices),
      hidden(l.context.plan->model.hidden) {}

std::vector<int64_t> node_starts(const Launch& l, std::span<const int64_t> rows_of_slots) {
  const auto nodes = static_cast<size_t>(nodes_reached_once(*l.context.plan));
  std::vector<int64_t> starts(nodes, 0);
  for (size_t slot = 0; nodes > 0 && slot < rows_of_slots.size(); ++slot)
    for (size_t node = slot * nodes / rows_of_slots.size() + 1; node < nodes; ++node)
      starts[node] += rows_of_slots[slot];
  return starts;
}

int32_t* node_counts(const Launch& l, int chunk) {
  const int64_t nodes = nodes_reached_once(*l.context.plan);
  return l.writes[operands::Router::local_counts].i32() + l.context.graph->num_chunks * l.task.shape.n + chunk * nodes;
}

std::optional<int64_t> expert_capacity(const Launch& l) {
  const Plan& plan = *l.context.plan;
  if (plan.dispatch.capacity_factor <= 0) return std::nullopt;
  return capacity_rows(plan.dispatch.capacity_factor, l.context.graph->tokens_per_rank, plan.model.top_k,
                       plan.model.num_experts);
}

std::optional<int64_t> chunk_capacity(const Launch& l, int chunk, int num_chunks) {
  const std::optional<int64_t> whole = expert_capacity(l);
  return whole ? std::optional(chunk_share(*whole, chunk, num_chunks)) : std::nullopt;
}

bool is_padded(const Launch& l) { return l.context.plan->dispatch.kind == DispatchKind::padded; }

bool has_residual(const Launch& l) { return l.reads.size() > operands::Unpermute::residual; }

AuxiliaryTerm::AuxiliaryTerm(const Launch& l) {
  const Plan& plan = *l.context.plan;
  const TaskGraph& graph = *l.context.graph;
  // [ranks, router parts * (experts + nodes)], or [1, ...]
  const Operand& of_ranks = l.reads[operands::RouterBackward::counts];
  counts = of_ranks.i32();
  const int64_t of_chunk = l.task.shape.n + nodes_reached_once(plan);
  MOESAIC_CHECK(of_ranks.row_elements > 0 && of_ranks.row_elements % of_chunk == 0,
                "counts of a rank are not counts of chunks, each of all experts");
  sources = of_ranks.rows;
  row_elements = of_ranks.row_elements / of_chunk * l.task.shape.n;
  stride = of_ranks.row_stride > 0 ? of_ranks.row_stride : of_ranks.row_elements;
  const int64_t seen = l.context.step_tokens() * graph.gathered_sources;
  const int64_t counted =
      plan.dispatch.gathers_tokens() ? sources * row_elements / l.task.shape.n * graph.tokens_per_rank : seen;
  scale = plan.model.auxiliary_coefficient * static_cast<double>(l.task.shape.n) /
          (static_cast<double>(counted) * static_cast<double>(plan.model.top_k)) /
          (static_cast<double>(seen) * plan.layout.micro_batches);
  loss = l.writes[operands::RouterBackward::loss].as<double>() + 1;
}

}  // namespace moesaic::executor
