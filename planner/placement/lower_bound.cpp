#include "planner/placement/lower_bound.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/schema/error.h"
#include "planner/placement/replication.h"

namespace moesaic::planner {
namespace {

double sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

double compute_bound(const PlacementRequest& request, const LayerCostModel& model) {
  const int num_slots = request.num_slots();
  const int ranks = request.num_ranks;
  const bool distinct = request.rules.distinct_on_rank;
  const int idle = static_cast<int>(std::count(request.tokens.begin(), request.tokens.end(), 0.0));
  // Slots can be spared a weight read only by experts without rows.
  const int idle_slots = idle == 0 ? 0 : distinct ? std::min(idle * ranks, num_slots) : num_slots;
  const int active_slots = std::max(request.num_experts - idle, num_slots - idle_slots);
  const int most_replicas = std::min(num_slots - request.num_experts + 1, ranks);

  const std::vector<int> counts = replicate(request.tokens, num_slots, num_slots);
  double hottest_rows = 0.0;
  for (int expert = 0; expert < request.num_experts; ++expert) {
    hottest_rows = std::max(hottest_rows, request.tokens[expert] / std::min(counts[expert], most_replicas));
  }
  if (hottest_rows == 0.0) return 0.0;
  const double mean_seconds =
      (sum(request.tokens) * model.seconds_per_row + active_slots * model.seconds_per_active_expert) / ranks;
  const int reads = idle == 0 ? request.slots_per_rank : 1;
  return std::max(mean_seconds, hottest_rows * model.seconds_per_row + reads * model.seconds_per_active_expert);
}

/// What one source must send away when the `kept` experts that it feeds most are at home.
double rest_after(std::vector<double> rows, int kept) {
  std::sort(rows.begin(), rows.end(), std::greater<>());
  rows.erase(rows.begin(), rows.begin() + std::min<std::ptrdiff_t>(kept, std::ssize(rows)));
  return sum(rows);
}

/// Least rows that the busiest of `num_sources` sources sends away, each with room for `num_slots` replicas.
/// rows: [num_sources, num_experts].
double least_rows_away(const std::vector<double>& rows, int num_sources, int num_experts, int num_slots) {
  double busiest = 0.0;
  std::vector<double> nearest(num_experts, 0.0);
  for (int source = 0; source < num_sources; ++source) {
    const std::vector<double> own(rows.begin() + source * num_experts, rows.begin() + (source + 1) * num_experts);
    busiest = std::max(busiest, rest_after(own, num_slots));
    for (int expert = 0; expert < num_experts; ++expert) nearest[expert] = std::max(nearest[expert], own[expert]);
  }
  return std::max(busiest, (sum(rows) - sum(nearest)) / num_sources);
}

/// Source rows of whole nodes, per rank of the node: [num_nodes, num_experts].
std::vector<double> node_rows(const PlacementRequest& request, const LayerLoad& load, int ranks_per_node) {
  std::vector<double> rows(load.source_rows.size() / ranks_per_node, 0.0);
  for (std::size_t i = 0; i < load.source_rows.size(); ++i) {
    const std::size_t node = i / request.num_experts / ranks_per_node;
    rows[node * request.num_experts + i % request.num_experts] += load.source_rows[i] / ranks_per_node;
  }
  return rows;
}

double port_bound(const PlacementRequest& request, const LayerLoad& load, const LayerCostModel& model) {
  const double intra = model.seconds_per_remote_row_intra;
  const double inter = model.seconds_per_remote_row_inter;
  const bool one_node = model.ranks_per_node >= request.num_ranks;
  double per_row = intra + inter > 0.0 ? intra * inter / (intra + inter) : 0.0;
  if (one_node) per_row = intra;
  if (!one_node && model.ranks_per_node == 1) per_row = inter;

  const double from_rank =
      per_row * least_rows_away(load.source_rows, request.num_ranks, request.num_experts, request.slots_per_rank);
  if (one_node) return from_rank;
  const std::vector<double> rows = node_rows(request, load, model.ranks_per_node);
  const int slots_per_node = request.slots_per_rank * model.ranks_per_node;
  return std::max(from_rank, inter * least_rows_away(rows, request.num_ranks / model.ranks_per_node,
                                                     request.num_experts, slots_per_node));
}

}  // namespace

double lower_bound(const PlacementRequest& request, const LayerLoad& load, const LayerCostModel& model) {
  const std::string refusal = refusal_of(request);
  MOESAIC_CHECK(refusal.empty(), refusal);
  const std::string bad_load = refusal_of(load, model, request.num_experts, request.num_ranks);
  MOESAIC_CHECK(bad_load.empty(), bad_load);
  return compute_bound(request, model) + 2.0 * port_bound(request, load, model);
}

}  // namespace moesaic::planner
