#include "core/routing/chosen_rows.h"

#include <algorithm>

#include "core/schema/routing_choices.h"

namespace moesaic {
namespace {

/// The choices of the chunk's tokens, those without room dropped.
std::vector<int32_t> kept_choices(const RoutingRules& rules, int rank, std::span<const int32_t> choices, int chunk,
                                  int num_chunks) {
  const int64_t tokens = static_cast<int64_t>(choices.size()) / rules.top_k, first = chunk * tokens / num_chunks,
                behind = (chunk + 1) * tokens / num_chunks;
  std::vector<int32_t> kept(choices.begin() + first * rules.top_k, choices.begin() + behind * rules.top_k);
  const int64_t capacity = rules.capacity(rank), room = chunk_share(capacity, chunk, num_chunks);
  std::vector<int64_t> rows(static_cast<size_t>(rules.num_experts), 0);
  for (int32_t& expert : kept) {
    if (expert == RoutingChoices::kDropped) continue;
    if (capacity > 0 && rows[static_cast<size_t>(expert)] == room)
      expert = RoutingChoices::kDropped;
    else
      ++rows[static_cast<size_t>(expert)];
  }
  return kept;
}

/// Which node each row of every slice goes to.
class NodesOfRows {
 public:
  NodesOfRows(const RoutingRules& rules, int moe_layer, const std::vector<int64_t>& of_experts)
      : slices_(rules.expert_slices), rows_(of_experts), nodes_(of_experts.size() * static_cast<size_t>(slices_)) {
    const std::vector<int>& held = rules.placement[moe_layer].slot_to_expert;
    const auto nodes = static_cast<size_t>(rules.nodes_reached_once);
    for (size_t slot = 0; slot < held.size(); ++slot)
      if (held[slot] >= 0)
        nodes_[static_cast<size_t>(held[slot])].push_back(static_cast<int>(slot * nodes / held.size()));
  }

  int node_of(int expert, int slice, int64_t row) const {
    const std::vector<int>& replicas = nodes_[static_cast<size_t>(expert * slices_ + slice)];
    const auto number = static_cast<int64_t>(replicas.size()), all = rows_[static_cast<size_t>(expert)];
    int64_t replica = 0;
    while (replica + 1 < number && (replica + 1) * all / number <= row) ++replica;
    return replicas[static_cast<size_t>(replica)];
  }

 private:
  const int slices_;
  const std::vector<int64_t>& rows_;     // [num_experts]
  std::vector<std::vector<int>> nodes_;  // [num_experts * slices][replicas]
};

/// [nodes]
std::vector<int64_t> rows_of_nodes(const RoutingRules& rules, int moe_layer, const std::vector<int32_t>& kept,
                                   const std::vector<int64_t>& of_experts) {
  const NodesOfRows nodes(rules, moe_layer, of_experts);
  const auto num_nodes = static_cast<size_t>(rules.nodes_reached_once);
  std::vector<int64_t> once(num_nodes, 0), seen(of_experts.size(), 0);
  std::vector<bool> reached(num_nodes);
  for (size_t i = 0; i < kept.size(); ++i) {
    if (i % static_cast<size_t>(rules.top_k) == 0) std::fill(reached.begin(), reached.end(), false);
    if (kept[i] == RoutingChoices::kDropped) continue;
    const int64_t row = seen[static_cast<size_t>(kept[i])]++;
    for (int slice = 0; slice < rules.expert_slices; ++slice) {
      const auto node = static_cast<size_t>(nodes.node_of(kept[i], slice, row));
      once[node] += reached[node] ? 0 : 1;
      reached[node] = true;
    }
  }
  return once;
}

}  // namespace

ChosenRows chosen_rows(const RoutingRules& rules, int moe_layer, int rank, std::span<const int32_t> choices, int chunk,
                       int num_chunks) {
  const std::vector<int32_t> kept = kept_choices(rules, rank, choices, chunk, num_chunks);
  ChosenRows rows;
  rows.of_experts.assign(static_cast<size_t>(rules.num_experts), 0);
  for (const int32_t expert : kept)
    if (expert != RoutingChoices::kDropped) ++rows.of_experts[static_cast<size_t>(expert)];
  if (rules.nodes_reached_once > 0) rows.of_nodes = rows_of_nodes(rules, moe_layer, kept, rows.of_experts);
  if (rules.padded)
    rows.of_experts.assign(rows.of_experts.size(), chunk_share(rules.capacity(rank), chunk, num_chunks));
  return rows;
}

}  // namespace moesaic
