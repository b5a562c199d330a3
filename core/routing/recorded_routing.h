#pragma once
// Routing from a document (recorded or generated), memoised: what the planner and the simulator bind sizes with.

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "core/routing/routing_rules.h"
#include "core/schema/routing.h"

namespace moesaic {

class RecordedRouting {
 public:
  /// `plan` must outlive it. Not for several threads at once: const members fill the memory.
  explicit RecordedRouting(const Plan& plan);

  const RoutingRules& rules() const { return rules_; }

  /// The first iteration with the same counts as this one, whatever the layer; so have the iterations before them.
  int64_t same_as(int64_t iteration) const;

  /// Counts of the expert-parallel group of `rank`: of recorded or drawn choices exactly those of the chunk's tokens,
  /// else a chunk has its share of rows per expert, and rows once per node are what to expect. `iteration` = step *
  /// micro_batches + microbatch.
  const SlotCounts& counts(int64_t iteration, int moe_layer, int rank, int chunk, int num_chunks) const;

  /// The slots of `rank` that the rows of a window stand for, ascending. What was predicted is what was active one
  /// iteration before; before the first one stands the last that is recorded, or one of the next step.
  std::vector<int> slots(Rows window, int64_t iteration, int moe_layer, int rank) const;

  /// As a number. `item.microbatch` is added to `iteration` (= step * micro_batches). Not for fixed rows.
  int64_t rows(const RoutedRows& item, int rank, int64_t iteration) const;

 private:
  using HasRows = std::vector<bool>;  // [slots_per_rank]
  HasRows has_rows(int64_t iteration, int moe_layer, int rank) const;
  HasRows is_used(int64_t iteration, int moe_layer, int rank) const;
  int64_t iteration_before(int64_t iteration) const;
  SlotCounts routed_counts(int64_t iteration, int moe_layer, int group, int chunk, int num_chunks) const;
  SlotCounts counts_of_choices(int64_t iteration, int moe_layer, int group, int chunk, int num_chunks) const;
  void expect_once(SlotCounts& counts, int64_t iteration, int moe_layer, int group, int chunk, int num_chunks) const;
  const std::vector<int64_t>& expected_once(int64_t iteration, int moe_layer, int group) const;

  const Plan& plan_;
  RoutingRules rules_;
  Routing routing_;
  using Key = std::array<int64_t, 5>;  // iteration, MoE layer, group, chunk, num_chunks
  mutable std::map<Key, SlotCounts> memo_;
  mutable std::map<std::array<int64_t, 3>, std::vector<int64_t>> expected_once_;  // by iteration, MoE layer, group
};

}  // namespace moesaic
