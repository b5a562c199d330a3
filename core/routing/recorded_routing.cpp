#include "core/routing/recorded_routing.h"

#include <algorithm>
#include <cmath>

#include "core/routing/chosen_rows.h"
#include "core/routing/node_rows.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

/// (token, choice) pairs of each rank of a pipeline stage; the stages see the same tokens: [ranks of a stage].
std::vector<int64_t> assignments(const RoutingRules& rules) {
  std::vector<int64_t> rows;
  for (int rank = 0; rank < rules.stage_ranks; ++rank) rows.push_back(rules.tokens[rank] * rules.top_k);
  return rows;
}

}  // namespace

RecordedRouting::RecordedRouting(const Plan& plan)
    : plan_(plan),
      rules_(plan),
      routing_(plan.routing, plan.model.num_moe_layers(), rules_.stage_ranks, rules_.num_experts, assignments(rules_),
               rules_.top_k) {}

int64_t RecordedRouting::same_as(int64_t iteration) const {
  return plan_.model.routed_by_task ? iteration : routing_.same_as(iteration);
}

const SlotCounts& RecordedRouting::counts(int64_t iteration, int moe_layer, int rank, int chunk, int num_chunks) const {
  const int group = rank % rules_.stage_ranks / rules_.ep;
  const int64_t first = same_as(iteration);
  const Key key{first, moe_layer, group, chunk, num_chunks};
  if (const auto known = memo_.find(key); known != memo_.end()) return known->second;
  return memo_.emplace(key, routed_counts(first, moe_layer, group, chunk, num_chunks)).first->second;
}

SlotCounts RecordedRouting::routed_counts(int64_t iteration, int moe_layer, int group, int chunk,
                                          int num_chunks) const {
  if (plan_.model.routed_by_task)
    return task_counts(plan_, rules_.placement[moe_layer], static_cast<int>(iteration % rules_.micro_batches));
  if (routing_.has_choices()) return counts_of_choices(iteration, moe_layer, group, chunk, num_chunks);
  std::vector<int64_t> rows;
  rows.reserve(static_cast<size_t>(rules_.ep) * static_cast<size_t>(rules_.num_experts));
  for (int source = 0; source < rules_.num_sources(); ++source) {
    const int rank = rules_.first_rank_of(group, source);
    for (const int64_t chosen : routing_.counts(iteration, moe_layer, rank))
      rows.push_back(chunk_share(rules_.sent_rows(rank, chosen), chunk, num_chunks));
  }
  SlotCounts counts = rules_.over_slots(moe_layer, rows);
  if (rules_.nodes_reached_once > 0) expect_once(counts, iteration, moe_layer, group, chunk, num_chunks);
  return counts;
}

SlotCounts RecordedRouting::counts_of_choices(int64_t iteration, int moe_layer, int group, int chunk,
                                              int num_chunks) const {
  std::vector<int64_t> rows, once;
  for (int source = 0; source < rules_.num_sources(); ++source) {
    const int rank = rules_.first_rank_of(group, source);
    const ChosenRows own =
        chosen_rows(rules_, moe_layer, rank, routing_.choices(iteration, moe_layer, rank), chunk, num_chunks);
    rows.insert(rows.end(), own.of_experts.begin(), own.of_experts.end());
    once.insert(once.end(), own.of_nodes.begin(), own.of_nodes.end());
  }
  SlotCounts counts = rules_.over_slots(moe_layer, rows);
  if (rules_.nodes_reached_once > 0) counts.set_once(std::move(once));
  return counts;
}

/// [ep, nodes], of all tokens of a microbatch.
const std::vector<int64_t>& RecordedRouting::expected_once(int64_t iteration, int moe_layer, int group) const {
  const auto [known, is_new] = expected_once_.try_emplace({iteration, moe_layer, group});
  if (!is_new) return known->second;
  const auto reach =
      reach_of_nodes(rules_.placement[moe_layer], rules_.num_experts, rules_.expert_slices, rules_.nodes_reached_once);
  for (int rank = group * rules_.ep; rank < (group + 1) * rules_.ep; ++rank)
    for (const double rows : expected_node_rows({rules_.tokens[rank], rules_.top_k, rules_.expert_groups,
                                                 rules_.groups_per_token, routing_.counts(iteration, moe_layer, rank)},
                                                reach))
      known->second.push_back(std::llround(rows));
  return known->second;
}

/// A chunk has its share of what all tokens of a source are expected to send, in the bounds of its own rows: not more
/// than these, not fewer than tokens whose choices are all for the node.
void RecordedRouting::expect_once(SlotCounts& counts, int64_t iteration, int moe_layer, int group, int chunk,
                                  int num_chunks) const {
  const int nodes = rules_.nodes_reached_once, most = rules_.top_k * rules_.expert_slices;
  std::vector<int64_t> once = expected_once(iteration, moe_layer, group);
  for (int i = 0; i < std::ssize(once); ++i) {
    const int64_t rows = counts.to_node(i / nodes, i % nodes, rules_.ranks_per_node);
    int64_t& share = once[static_cast<size_t>(i)];
    share = std::clamp(chunk_share(share, chunk, num_chunks), (rows + most - 1) / most, rows);
  }
  counts.set_once(std::move(once));
}

RecordedRouting::HasRows RecordedRouting::has_rows(int64_t iteration, int moe_layer, int rank) const {
  HasRows has;
  for (const int64_t rows : counts(iteration, moe_layer, rank, 0, 1).slot_rows(rules_.position(rank)))
    has.push_back(rows > 0);
  return has;
}

int64_t RecordedRouting::iteration_before(int64_t iteration) const {
  if (iteration > 0) return iteration - 1;
  return plan_.routing.num_iterations > 0 ? plan_.routing.num_iterations - 1 : 2 * rules_.micro_batches - 1;
}

/// Where the expert of a slot has rows, in whatever slot of whatever group.
RecordedRouting::HasRows RecordedRouting::is_used(int64_t iteration, int moe_layer, int rank) const {
  const ExpertPlacement& placement = rules_.placement[moe_layer];
  const std::vector<int>& experts = placement.slot_to_expert;
  const auto* own = experts.data() + rules_.position(rank) * placement.slots_per_rank;
  const auto number = [](int expert) {  // 0: of an empty slot
    return static_cast<size_t>(expert - kNoExpert);
  };
  HasRows of_experts(number(*std::max_element(experts.begin(), experts.end())) + 1, false);
  for (int group = 0; group < rules_.ranks; group += rules_.ep) {
    const SlotCounts& rows = counts(iteration, moe_layer, group, 0, 1);
    for (size_t slot = 0; slot < experts.size(); ++slot) {
      const size_t expert = number(experts[slot]);
      for (int source = 0; source < rows.num_sources() && !of_experts[expert]; ++source)
        of_experts[expert] = rows.at(source, static_cast<int>(slot)) > 0;
    }
  }
  HasRows used(static_cast<size_t>(placement.slots_per_rank));
  for (size_t slot = 0; slot < used.size(); ++slot) used[slot] = of_experts[number(own[slot])];
  return used;
}

std::vector<int> RecordedRouting::slots(Rows window, int64_t iteration, int moe_layer, int rank) const {
  if (window == Rows::used_slots) return set_slots(is_used(iteration, moe_layer, rank));
  HasRows chosen = has_rows(window == Rows::predicted_slots ? iteration_before(iteration) : iteration, moe_layer, rank);
  if (window == Rows::missing_slots) {
    const HasRows predicted = has_rows(iteration_before(iteration), moe_layer, rank);
    for (size_t slot = 0; slot < chosen.size(); ++slot) chosen[slot] = chosen[slot] && !predicted[slot];
  }
  return set_slots(chosen);
}

int64_t RecordedRouting::rows(const RoutedRows& item, int rank, int64_t iteration) const {
  MOESAIC_CHECK(item.rows != Rows::fixed, "fixed rows are a number already");
  if (item.rows == Rows::local) return rules_.tokens[rank];
  if (is_window(item.rows))
    return static_cast<int64_t>(slots(item.rows, iteration + item.microbatch, item.moe_layer, rank).size());
  return counts(iteration + item.microbatch, item.moe_layer, rank, item.chunk, item.num_chunks)
      .rows(item.rows, rules_.position(rank), rules_.ranks_per_node);
}

}  // namespace moesaic
