#include "planner/placement/rank_loads.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace moesaic::planner {
namespace {

/// The power of two that makes `total` at most 2^60 ticks; shares are cut to whole ticks, so their sums stay below it
/// too.
double per_tick(double total) {
  if (total == 0.0) return 1.0;
  int exponent = 0;
  std::frexp(total, &exponent);  // total < 2^exponent
  return std::ldexp(1.0, std::max(exponent - 60, -1000));
}

/// No placement's ranks compute longer together: a replica never takes longer than its expert in one slot.
double most_seconds(const LayerPlacement& placement, const LayerLoad& load, const LayerCostModel& model) {
  double longest = 0.0;
  for (const double tokens : load.tokens) longest = std::max(longest, slot_seconds(model, tokens));
  return longest * placement.num_slots();
}

}  // namespace

RankLoads::RankLoads(LayerPlacement placement, const LayerLoad& load, const LayerCostModel& model)
    : placement_(std::move(placement)),
      model_(model),
      num_ranks_(placement_.num_ranks),
      num_nodes_((num_ranks_ + model.ranks_per_node - 1) / model.ranks_per_node),
      rows_per_tick_(per_tick(std::accumulate(load.tokens.begin(), load.tokens.end(), 0.0))),
      seconds_per_tick_(per_tick(most_seconds(placement_, load, model))),
      node_of_(num_ranks_),
      rank_of_(placement_.num_slots()),
      tokens_(load.tokens),
      count_(replica_counts(placement_)),
      on_rank_(placement_.num_experts * num_ranks_, 0),
      on_node_(placement_.num_experts * num_nodes_, 0),
      expert_rows_(on_rank_.size()),
      share_(on_rank_.size()),
      node_share_(on_node_.size()),
      all_share_(placement_.num_experts),
      slot_work_(placement_.num_experts),
      work_(num_ranks_, 0),
      port_rows_(num_ranks_),
      compute_(num_ranks_),
      port_(num_ranks_) {
  for (int rank = 0; rank < num_ranks_; ++rank) {
    node_of_[rank] = rank / model.ranks_per_node;
    for (int expert = 0; expert < placement_.num_experts; ++expert) {
      expert_rows_[expert * num_ranks_ + rank] = load.source_rows[rank * placement_.num_experts + expert];
    }
  }
  for (int slot = 0; slot < placement_.num_slots(); ++slot) {
    const int rank = rank_of_[slot] = placement_.rank_of(slot);
    ++on_rank_[placement_.slot_to_expert[slot] * num_ranks_ + rank];
    ++on_node_[placement_.slot_to_expert[slot] * num_nodes_ + node_of(rank)];
  }
  for (int expert = 0; expert < placement_.num_experts; ++expert) {
    set_shares(expert);
    account_expert(expert, +1);
  }
  for (int rank = 0; rank < num_ranks_; ++rank) refresh(rank);
}

void RankLoads::set_shares(int expert) {
  std::fill_n(node_share_.begin() + expert * num_nodes_, num_nodes_, 0);
  all_share_[expert] = 0;
  slot_work_[expert] =
      static_cast<std::int64_t>(slot_seconds(model_, tokens_[expert] / count_[expert]) / seconds_per_tick_);
  const double ticks_per_row = 1.0 / (rows_per_tick_ * count_[expert]);
  for (int source = 0; source < num_ranks_; ++source) {
    const auto ticks = static_cast<std::int64_t>(expert_rows_[expert * num_ranks_ + source] * ticks_per_row);
    share_[expert * num_ranks_ + source] = ticks;
    node_share_[expert * num_nodes_ + node_of(source)] += ticks;
    all_share_[expert] += ticks;
  }
}

/// One replica's computation and receives, added (+1) or taken away (-1).
void RankLoads::account_slot(int expert, int rank, int sign) {
  const std::int64_t from_node = node_share_[expert * num_nodes_ + node_of(rank)];
  work_[rank] += sign * slot_work_[expert];
  port_rows_[rank].recv_intra += sign * (from_node - share_[expert * num_ranks_ + rank]);
  port_rows_[rank].recv_inter += sign * (all_share_[expert] - from_node);
}

/// Everything that the replicas of one expert cause on all ranks.
void RankLoads::account_expert(int expert, int sign) {
  for (int rank = 0; rank < num_ranks_; ++rank) {
    const int here = replicas_on(rank, expert);
    const int on_node = on_node_[expert * num_nodes_ + node_of(rank)];
    const std::int64_t share = sign * share_[expert * num_ranks_ + rank];
    port_rows_[rank].send_intra += share * (on_node - here);
    port_rows_[rank].send_inter += share * (count_[expert] - on_node);
    if (here > 0) account_slot(expert, rank, sign * here);
  }
}

/// The sends of all sources when one replica changes rank: within a node only the two ranks see it.
void RankLoads::shift_sends(int expert, int from, int to) {
  const std::int64_t* share = share_.data() + expert * num_ranks_;
  port_rows_[from].send_intra += share[from];
  port_rows_[to].send_intra -= share[to];
  if (node_of(from) == node_of(to)) return;
  for (int source = node_of(from) * model_.ranks_per_node, i = 0; i < model_.ranks_per_node; ++i, ++source) {
    port_rows_[source].send_intra -= share[source];
    port_rows_[source].send_inter += share[source];
  }
  for (int source = node_of(to) * model_.ranks_per_node, i = 0; i < model_.ranks_per_node; ++i, ++source) {
    port_rows_[source].send_intra += share[source];
    port_rows_[source].send_inter -= share[source];
  }
}

void RankLoads::move_replica(int expert, int from, int to) {
  account_slot(expert, from, -1);
  account_slot(expert, to, +1);
  shift_sends(expert, from, to);
  --on_rank_[expert * num_ranks_ + from];
  ++on_rank_[expert * num_ranks_ + to];
  --on_node_[expert * num_nodes_ + node_of(from)];
  ++on_node_[expert * num_nodes_ + node_of(to)];
}

void RankLoads::replace(int slot, int new_expert) {
  const int old_expert = placement_.slot_to_expert[slot];
  const int rank = rank_of(slot);
  for (const auto& [expert, change] : {std::pair{old_expert, -1}, std::pair{new_expert, +1}}) {
    account_expert(expert, -1);
    count_[expert] += change;
    on_rank_[expert * num_ranks_ + rank] += change;
    on_node_[expert * num_nodes_ + node_of(rank)] += change;
    set_shares(expert);
    account_expert(expert, +1);
  }
  placement_.slot_to_expert[slot] = new_expert;
}

double RankLoads::port_of(const PortRows& rows) const {
  return std::max(static_cast<double>(std::max(rows.send_intra, rows.recv_intra)) * rows_per_tick_ *
                      model_.seconds_per_remote_row_intra,
                  static_cast<double>(std::max(rows.send_inter, rows.recv_inter)) * rows_per_tick_ *
                      model_.seconds_per_remote_row_inter);
}

void RankLoads::refresh(int rank) {
  compute_.set(rank, compute_of(work_[rank]));
  port_.set(rank, port_of(port_rows_[rank]));
}

void RankLoads::refresh_node(int node) {
  const int first = node * model_.ranks_per_node;
  for (int rank = first; rank < first + model_.ranks_per_node; ++rank) refresh(rank);
}

double RankLoads::spread() const {
  double sum = 0.0;
  for (int rank = 0; rank < num_ranks_; ++rank) {
    sum += compute_[rank] * compute_[rank] + 4.0 * port_[rank] * port_[rank];  // the port is used twice
  }
  return sum;
}

bool RankLoads::allowed(const Move& move, PlacementRules rules) const {
  const int expert = placement_.slot_to_expert[move.slot];
  const int rank = rank_of(move.slot);
  if (move.other_slot < 0) {
    return move.new_expert != expert && count_[expert] > 1 &&
           !(rules.distinct_on_rank && replicas_on(rank, move.new_expert) > 0);
  }
  const int other = placement_.slot_to_expert[move.other_slot];
  const int other_rank = rank_of(move.other_slot);
  return expert != other && rank != other_rank &&
         !(rules.distinct_on_rank && (replicas_on(rank, other) > 0 || replicas_on(other_rank, expert) > 0));
}

Move RankLoads::apply(const Move& move) {
  slowest_are_known_ = false;
  const int expert = placement_.slot_to_expert[move.slot];
  const int rank = rank_of(move.slot);
  if (move.other_slot < 0) {
    replace(move.slot, move.new_expert);
    for (int any = 0; any < num_ranks_; ++any) refresh(any);
    return {move.slot, -1, expert};
  }
  const int other_rank = rank_of(move.other_slot);
  move_replica(expert, rank, other_rank);
  move_replica(placement_.slot_to_expert[move.other_slot], other_rank, rank);
  std::swap(placement_.slot_to_expert[move.slot], placement_.slot_to_expert[move.other_slot]);
  if (node_of(rank) == node_of(other_rank)) {
    refresh(rank);
    refresh(other_rank);
  } else {
    refresh_node(node_of(rank));
    refresh_node(node_of(other_rank));
  }
  return move;
}

}  // namespace moesaic::planner
