#include "core/policy/expert_residency.h"

#include <algorithm>
#include <numeric>

namespace moesaic {
namespace {

std::vector<int64_t> first_blocks(const std::vector<int>& slots) {
  std::vector<int64_t> first(slots.size() + 1, 0);
  std::partial_sum(slots.begin(), slots.end(), first.begin() + 1);
  return first;
}

/// A training iteration requests each active expert up to three times: forward, backward, update.
ExpertCacheSettings settings_of(const ExpertStorage& storage, int64_t blocks) {
  ExpertCacheSettings settings;
  settings.capacity = storage.cache_entries;
  settings.threshold = storage.threshold;
  settings.decay = storage.decay;
  settings.period =
      storage.period > 0
          ? storage.period
          : std::max<int64_t>(1, static_cast<int64_t>(kDecayPeriodIterations * 3 * static_cast<double>(blocks)));
  settings.flush_period = storage.flush_period;
  return settings;
}

}  // namespace

ExpertResidency::ExpertResidency(const ExpertStorage& storage, const std::vector<int>& slots)
    : on_storage_(storage.home == Tier::storage),
      first_block_(first_blocks(slots)),
      brought_(slots.size()),
      cache_(settings_of(storage, num_blocks())) {
  for (int count : slots) {
    predicted_.emplace_back(static_cast<size_t>(count));
    std::iota(predicted_.back().begin(), predicted_.back().end(), 0);
  }
}

void ExpertResidency::request(int layer, int slot, ExpertMoves& moves) {
  moves.slots.push_back(slot);
  if (!on_storage_) return;
  const CacheAnswer answer = cache_.request(block(layer, slot));
  if (answer.kind == CacheAnswer::Kind::kHit) return;
  using Kind = ExpertMove::Kind;
  if (answer.victim)
    moves.moves.push_back({answer.victim_is_dirty ? Kind::kWriteAndDrop : Kind::kDrop, *answer.victim});
  moves.moves.push_back(
      {answer.kind == CacheAnswer::Kind::kAdmitted ? Kind::kReadAndKeep : Kind::kReadOnce, block(layer, slot)});
}

int64_t ExpertMoves::reads() const {
  return std::count_if(moves.begin(), moves.end(), [](const ExpertMove& move) { return move.reads(); });
}
int64_t ExpertMoves::writes() const {
  return std::count_if(moves.begin(), moves.end(),
                       [](const ExpertMove& move) { return move.kind == ExpertMove::Kind::kWriteAndDrop; });
}

ExpertMoves ExpertResidency::load_predicted(int layer) {
  const auto index = static_cast<size_t>(layer);
  brought_[index] = predicted_[index];
  return load_active(layer, predicted_[index]);
}

ExpertMoves ExpertResidency::load_missing(int layer, std::span<const int> active) {
  const auto index = static_cast<size_t>(layer);
  ExpertMoves moves;
  for (int slot : active)
    if (!std::binary_search(brought_[index].begin(), brought_[index].end(), slot)) request(layer, slot, moves);
  brought_[index].clear();
  predicted_[index].assign(active.begin(), active.end());
  return moves;
}

ExpertMoves ExpertResidency::load_active(int layer, std::span<const int> active) {
  ExpertMoves moves;
  for (int slot : active) request(layer, slot, moves);
  return moves;
}

std::vector<int64_t> ExpertResidency::updated(int layer, std::span<const int> slots) {
  std::vector<int64_t> writes;
  if (!on_storage_) return writes;
  for (int slot : slots)
    if (!cache_.mark_dirty(block(layer, slot))) writes.push_back(block(layer, slot));
  return writes;
}

std::vector<int64_t> ExpertResidency::end_step() { return on_storage_ ? cache_.end_step() : std::vector<int64_t>{}; }

}  // namespace moesaic
