// What an exchange of two slots would make of the ranks' loads, without making it.

#include <algorithm>

#include "planner/placement/rank_loads.h"

namespace moesaic::planner {

void RankLoads::Slowest::add(int one, double its_seconds) {
  for (std::size_t at = 0; at < who.size(); ++at) {
    if (who[at] >= 0 && its_seconds <= seconds[at]) continue;
    std::swap(who[at], one);
    std::swap(seconds[at], its_seconds);
    if (one < 0) return;
  }
}

double RankLoads::Slowest::without(int a, int b) const {
  for (std::size_t at = 0; at < who.size(); ++at) {
    if (who[at] != a && who[at] != b) return seconds[at];  // 0 when there is no such one
  }
  return 0.0;
}

void RankLoads::find_slowest() {
  slowest_compute_ = slowest_port_ = slowest_node_ = {};
  for (int node = 0; node < num_nodes_; ++node) {
    double of_node = 0.0;
    const int first = node * model_.ranks_per_node, last = std::min(first + model_.ranks_per_node, num_ranks_);
    for (int rank = first; rank < last; ++rank) {
      slowest_compute_.add(rank, compute_[rank]);
      slowest_port_.add(rank, port_[rank]);
      of_node = std::max(of_node, port_[rank]);
    }
    slowest_node_.add(node, of_node);
  }
  slowest_are_known_ = true;
}

/// What a rank receives when one of its slots goes to another expert.
RankLoads::PortRows RankLoads::with_slot_of(PortRows rows, int rank, int old_expert, int new_expert) const {
  const int node = node_of(rank);
  const std::int64_t of_node =
      node_share_[new_expert * num_nodes_ + node] - node_share_[old_expert * num_nodes_ + node];
  rows.recv_intra += of_node - (share_[new_expert * num_ranks_ + rank] - share_[old_expert * num_ranks_ + rank]);
  rows.recv_inter += all_share_[new_expert] - all_share_[old_expert] - of_node;
  return rows;
}

/// Both ranks send to the node what they sent: only what stays at home changes.
double RankLoads::port_after_within_node(const Move& exchange) const {
  const int rank = rank_of(exchange.slot), other_rank = rank_of(exchange.other_slot);
  const int expert = placement_.slot_to_expert[exchange.slot];
  const int other = placement_.slot_to_expert[exchange.other_slot];
  const auto sends_more = [&](int source, int loses, int gets) {
    return share_[loses * num_ranks_ + source] - share_[gets * num_ranks_ + source];
  };
  PortRows rows = with_slot_of(port_rows_[rank], rank, expert, other);
  rows.send_intra += sends_more(rank, expert, other);
  PortRows other_rows = with_slot_of(port_rows_[other_rank], other_rank, other, expert);
  other_rows.send_intra += sends_more(other_rank, other, expert);
  return std::max({port_of(rows), port_of(other_rows), slowest_port_.without(rank, other_rank)});
}

/// The slowest port of a node of whose ranks one loses an expert to another node and gets one from there.
double RankLoads::port_of_node_after(int rank, int old_expert, int new_expert) const {
  const std::int64_t* const leaves = share_.data() + old_expert * num_ranks_;
  const std::int64_t* const arrives = share_.data() + new_expert * num_ranks_;
  const int first = node_of(rank) * model_.ranks_per_node;
  double slowest = 0.0;
  for (int source = first; source < first + model_.ranks_per_node; ++source) {
    PortRows rows = port_rows_[source];
    const std::int64_t stays = arrives[source] - leaves[source];
    rows.send_inter -= stays;
    if (source == rank) {
      rows = with_slot_of(rows, rank, old_expert, new_expert);
    } else {
      rows.send_intra += stays;
    }
    slowest = std::max(slowest, port_of(rows));
  }
  return slowest;
}

double RankLoads::port_after_between_nodes(const Move& exchange) const {
  const int rank = rank_of(exchange.slot), other_rank = rank_of(exchange.other_slot);
  const int expert = placement_.slot_to_expert[exchange.slot];
  const int other = placement_.slot_to_expert[exchange.other_slot];
  return std::max({port_of_node_after(rank, expert, other), port_of_node_after(other_rank, other, expert),
                   slowest_node_.without(node_of(rank), node_of(other_rank))});
}

double RankLoads::seconds_after(const Move& exchange) {
  if (!slowest_are_known_) find_slowest();
  const int rank = rank_of(exchange.slot), other_rank = rank_of(exchange.other_slot);
  const std::int64_t gain =
      slot_work_[placement_.slot_to_expert[exchange.other_slot]] - slot_work_[placement_.slot_to_expert[exchange.slot]];
  const double compute = std::max({compute_of(work_[rank] + gain), compute_of(work_[other_rank] - gain),
                                   slowest_compute_.without(rank, other_rank)});
  const double port =
      node_of(rank) == node_of(other_rank) ? port_after_within_node(exchange) : port_after_between_nodes(exchange);
  return compute + 2.0 * port;
}

}  // namespace moesaic::planner
