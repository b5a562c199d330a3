#pragma once
// Which expert states a rank's storage tasks bring into host memory and write back, step after step: prediction, cache
// and write-back put together, for simulator and executor alike. It moves no bytes; answers must be carried out in
// order.

#include <cstdint>
#include <span>
#include <vector>

#include "core/plan/plan.h"
#include "core/policy/expert_cache.h"

namespace moesaic {

/// One block on its way; blocks number the expert slots of a rank over all MoE layers.
struct ExpertMove {
  enum class Kind {
    kDrop,          // leaves the cache; storage has the same states
    kWriteAndDrop,  // leaves the cache for storage
    kReadAndKeep,   // from storage into the cache
    kReadOnce       // from storage, for this task only
  };
  Kind kind = Kind::kDrop;
  int64_t block = 0;
  bool reads() const { return kind == Kind::kReadAndKeep || kind == Kind::kReadOnce; }
  bool operator==(const ExpertMove&) const = default;
};

/// What one task moves between storage and host memory.
struct ExpertMoves {
  std::vector<int> slots;         // of the layer: whose states the task needs in host memory, ascending
  std::vector<ExpertMove> moves;  // in the order in which they were decided
  int64_t reads() const;
  int64_t writes() const;
  bool operator==(const ExpertMoves&) const = default;
};

class ExpertResidency {
 public:
  /// slots: [num_moe_layers] of this rank.
  ExpertResidency(const ExpertStorage& storage, const std::vector<int>& slots);

  int64_t block(int layer, int slot) const { return first_block_[static_cast<size_t>(layer)] + slot; }
  int64_t num_blocks() const { return first_block_.back(); }

  /// Before the router of the layer has spoken: the slots that had rows when it last did (all of them at first).
  ExpertMoves load_predicted(int layer);
  /// After it has: the active slots that the prediction before left out, all where there was none.
  ExpertMoves load_missing(int layer, std::span<const int> active);
  /// All active slots: for the backward pass and the update, when they are known.
  ExpertMoves load_active(int layer, std::span<const int> active);

  /// The states of these slots have changed. Blocks to write to storage at once: those that the cache does not hold.
  std::vector<int64_t> updated(int layer, std::span<const int> slots);
  /// Blocks of the periodic flush, at the end of a step.
  std::vector<int64_t> end_step();

 private:
  void request(int layer, int slot, ExpertMoves& moves);

  bool on_storage_;
  std::vector<int64_t> first_block_;         // [num_moe_layers + 1]
  std::vector<std::vector<int>> predicted_;  // [num_moe_layers] slots for the next pass
  std::vector<std::vector<int>> brought_;    // [num_moe_layers] by the last prediction, until load_missing
  ExpertCache cache_;
};

}  // namespace moesaic
