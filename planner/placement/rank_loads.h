#pragma once
// A placement together with the loads of its ranks, so that a move costs only the ranks that it changes.
// It prices moves and takes them back; it does not choose them (see local_search.h).

#include <array>
#include <cstdint>
#include <vector>

#include "planner/placement/layer_cost.h"
#include "planner/placement/max_tree.h"

namespace moesaic::planner {

/// Either exchanges the experts of two slots, or gives one slot to another expert.
struct Move {
  int slot = 0;
  int other_slot = -1;  // exchange when >= 0
  int new_expert = -1;  // else the expert that the slot gets; the old one must have another slot
};

/// Rows and the seconds of slots are counted in whole ticks of a power of two of each, at most 2^60 in all. Integer
/// sums do not depend on their order, so that loads after any moves equal loads from scratch, and undo is exact, bit
/// for bit.
class RankLoads {
 public:
  /// Needs a valid placement, and load and model as refusal_of() accepts them.
  RankLoads(LayerPlacement placement, const LayerLoad& load, const LayerCostModel& model);

  /// layer_seconds().total() of the present placement, up to the rounding of ticks (a few 1e-16 of the total rows).
  double seconds() const { return compute_.max() + 2.0 * port_.max(); }

  /// seconds() as they would be after an allowed exchange, bit for bit; nothing changes but what is remembered of the
  /// slowest ranks.
  double seconds_after(const Move& exchange);

  double compute_seconds(int rank) const { return compute_[rank]; }
  double port_seconds(int rank) const { return port_[rank]; }  // one direction of dispatch or combine

  /// Sum of squares of all ranks' loads: orders placements of equal seconds.
  double spread() const;

  const LayerPlacement& placement() const { return placement_; }
  int replicas(int expert) const { return count_[expert]; }
  int replicas_on(int rank, int expert) const { return on_rank_[expert * num_ranks_ + rank]; }

  /// True when the move changes something, leaves every expert a slot and keeps the rules.
  bool allowed(const Move& move, PlacementRules rules) const;

  /// Makes an allowed move and returns the one that takes it back.
  Move apply(const Move& move);

 private:
  struct PortRows {  // ticks
    std::int64_t send_intra = 0;
    std::int64_t send_inter = 0;
    std::int64_t recv_intra = 0;
    std::int64_t recv_inter = 0;
  };

  /// The three slowest of ranks or nodes, slowest first: some are left when an exchange changes two.
  struct Slowest {
    std::array<int, 3> who{-1, -1, -1};
    std::array<double, 3> seconds{};
    void add(int one, double its_seconds);
    double without(int a, int b) const;
  };

  int node_of(int rank) const { return node_of_[rank]; }
  int rank_of(int slot) const { return rank_of_[slot]; }
  double compute_of(std::int64_t work) const { return static_cast<double>(work) * seconds_per_tick_; }
  double port_of(const PortRows& rows) const;
  PortRows with_slot_of(PortRows rows, int rank, int old_expert, int new_expert) const;
  double port_after_within_node(const Move& exchange) const;
  double port_after_between_nodes(const Move& exchange) const;
  double port_of_node_after(int rank, int old_expert, int new_expert) const;
  void find_slowest();
  void set_shares(int expert);
  void account_expert(int expert, int sign);
  void account_slot(int expert, int rank, int sign);
  void shift_sends(int expert, int from, int to);
  void move_replica(int expert, int from, int to);
  void replace(int slot, int new_expert);
  void refresh(int rank);
  void refresh_node(int node);

  LayerPlacement placement_;
  LayerCostModel model_;
  int num_ranks_;
  int num_nodes_;
  double rows_per_tick_;
  double seconds_per_tick_;
  std::vector<int> node_of_;              // [num_ranks]
  std::vector<int> rank_of_;              // [num_slots]: no division in hot loops
  std::vector<double> tokens_;            // [num_experts]
  std::vector<int> count_;                // [num_experts], replicas
  std::vector<int> on_rank_;              // [num_experts, num_ranks], replicas
  std::vector<int> on_node_;              // [num_experts, num_nodes], replicas
  std::vector<double> expert_rows_;       // [num_experts, num_ranks], source rows: an expert's sources side by side
  std::vector<std::int64_t> share_;       // [num_experts, num_ranks], ticks that a source sends to one replica
  std::vector<std::int64_t> node_share_;  // [num_experts, num_nodes], the same summed over the sources of a node
  std::vector<std::int64_t> all_share_;   // [num_experts], ticks of one replica
  std::vector<std::int64_t> slot_work_;   // [num_experts], ticks of seconds that one replica computes
  std::vector<std::int64_t> work_;        // [num_ranks], ticks of seconds
  std::vector<PortRows> port_rows_;       // [num_ranks]
  MaxTree compute_;                       // [num_ranks], seconds
  MaxTree port_;                          // [num_ranks], seconds
  bool slowest_are_known_ = false;        // of the present placement
  Slowest slowest_compute_;               // ranks
  Slowest slowest_port_;                  // ranks
  Slowest slowest_node_;                  // nodes, by their slowest port
};

}  // namespace moesaic::planner
