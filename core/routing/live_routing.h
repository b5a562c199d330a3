#pragma once
// Routing as one rank's router and those of its group announce it, step by step: what the executor binds sizes with.
// It does not know how the counts come to the host.

#include <cstdint>
#include <span>
#include <vector>

#include "core/routing/routing_rules.h"

namespace moesaic {

class LiveRouting {
 public:
  /// `plan` must outlive it.
  LiveRouting(const Plan& plan, int rank);

  /// Forgets the step before. Where tasks take the router's place, all counts are known from now on.
  void start_step();

  /// counts: [num_sources, announced_counts()], the rows that each source of the group has chosen, after dropping.
  void announce(int microbatch, int moe_layer, const int32_t* counts);
  /// The same of a whole pipeline stage, for all these layers: [ranks of a stage, layers, announced_counts()].
  void announce_stage(int microbatch, std::span<const int> moe_layers, const int32_t* counts);

  /// [num_chunks], of this rank's group; empty: nobody has announced them.
  std::span<const SlotCounts> counts(int microbatch, int moe_layer) const;

  /// The slots of this rank that rows of these windows stand for, ascending: active_slots, used_slots. What a stage
  /// uses beyond the group is known once the stage has announced it.
  std::vector<int> slots(Rows window, int microbatch, int moe_layer) const;

  /// What this rank's tokens have chosen in this step, after dropping: [micro_batches, num_moe_layers, num_experts].
  const std::vector<int64_t>& expert_rows() const { return expert_rows_; }

 private:
  struct Layer {                     // in one microbatch
    std::vector<SlotCounts> counts;  // [num_chunks]
    std::vector<bool> used;          // [slots_per_rank]: by any replica's tokens
  };

  size_t index_of(int microbatch, int moe_layer) const {
    return static_cast<size_t>(microbatch) * rules_.placement.size() + static_cast<size_t>(moe_layer);
  }
  int64_t& expert_rows(size_t layer, int expert) {
    return expert_rows_[layer * static_cast<size_t>(rules_.num_experts) + static_cast<size_t>(expert)];
  }
  std::vector<int64_t> announced_once(const int32_t* counts, int chunk) const;
  void bind_tasks(int microbatch, int moe_layer);
  void bind_used(int microbatch, int moe_layer, const int32_t* counts, int ranks, int64_t stride);

  const Plan& plan_;
  const RoutingRules rules_;
  const int rank_;
  const int64_t announced_;    // counts of one rank in one layer
  std::vector<Layer> layers_;  // [micro_batches * num_moe_layers]
  std::vector<int64_t> expert_rows_;
};

}  // namespace moesaic
