#include "planner/prices/layout_rows.h"

#include <algorithm>

namespace moesaic::planner {
namespace {

/// Whether ranks have such rows under these rules.
bool are_had(Rows which, const RoutingRules& rules) {
  switch (which) {
    case Rows::fixed:
    case Rows::local:
      return false;
    case Rows::sent:
    case Rows::relayed:  // sources that several ranks stand for send nothing: tokens are gathered
      return rules.token_copies == 1;
    case Rows::once_sent:
    case Rows::once_received:
    case Rows::fanned:
      return rules.nodes_reached_once > 0;
    default:
      return true;
  }
}

RankRows rows_of(const RoutingBinding& binding, int moe_layer, int rank) {
  RankRows rows{};
  for (size_t kind = 0; kind < rows.size(); ++kind)
    if (const auto which = static_cast<Rows>(kind); are_had(which, binding.rules()))
      rows[kind] = static_cast<double>(binding.RecordedRouting::rows({which, moe_layer, 0, 0, 1}, rank, 0));
  return rows;
}

void add_share(RankRows& to, const RankRows& rows, size_t of) {
  for (size_t kind = 0; kind < to.size(); ++kind) to[kind] += rows[kind] / static_cast<double>(of);
}

}  // namespace

std::vector<int> layers_that_count(const Plan& plan, int most) {
  const RoutingGenerator& generator = plan.routing.generator;
  const bool alike =
      !plan.routing.recorded() && generator.zipf_exponent == 0 && !generator.varies() && plan.placement.empty();
  std::vector<int> layers;
  const int64_t all = plan.model.num_moe_layers(), number = std::min<int64_t>(all, alike ? 1 : most);
  for (int64_t i = 0; i < number; ++i) layers.push_back(static_cast<int>(i * all / number));
  return layers;
}

int busiest_rank(const SlotCounts& counts) {
  int busiest = 0;
  for (int rank = 1; rank < counts.num_ranks(); ++rank)
    if (counts.received(rank) > counts.received(busiest)) busiest = rank;
  return busiest;
}

LayoutRows layout_rows(const Plan& plan, const RoutingBinding& binding, const std::vector<int>& moe_layers) {
  constexpr auto kReceived = static_cast<size_t>(Rows::received);
  LayoutRows rows;
  std::vector<RankRows> sums(static_cast<size_t>(plan.layout.ep));
  for (const int layer : moe_layers) {
    RankRows busiest{};
    for (int rank = 0; rank < plan.layout.ep; ++rank) {
      const RankRows own = rows_of(binding, layer, rank);
      add_share(sums[static_cast<size_t>(rank)], own, moe_layers.size());
      if (own[kReceived] >= busiest[kReceived]) busiest = own;
    }
    add_share(rows.busiest, busiest, moe_layers.size());
    if (busiest[kReceived] > rows.most[kReceived]) rows.most = busiest;
  }
  for (const RankRows& sum : sums)
    if (sum[kReceived] > rows.kept[kReceived]) rows.kept = sum;
  return rows;
}

}  // namespace moesaic::planner
