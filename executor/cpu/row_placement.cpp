#include "executor/cpu/row_placement.h"

#include <algorithm>
#include <numeric>

#include "core/routing/routing_rules.h"
#include "executor/cpu/permute.h"

namespace moesaic::executor::cpu {
namespace {

/// The physical slot of every (choice, slice); counts: of each slice.
std::vector<int32_t> slots_of_choices(const std::vector<int32_t>& chosen, const std::vector<int64_t>& counts,
                                      std::span<const int> slot_to_expert) {
  std::vector<std::vector<int32_t>> slots_of(counts.size());
  for (size_t slot = 0; slot < slot_to_expert.size(); ++slot)
    if (slot_to_expert[slot] >= 0)
      slots_of[static_cast<size_t>(slot_to_expert[slot])].push_back(static_cast<int32_t>(slot));
  std::vector<int64_t> seen(counts.size(), 0);
  std::vector<int32_t> slots(chosen.size(), -1);
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i] < 0) continue;
    const auto expert = static_cast<size_t>(chosen[i]);
    const auto replicas = static_cast<int64_t>(slots_of[expert].size());
    const int64_t row = seen[expert]++;
    int64_t replica = 0;
    while (replica + 1 < replicas && (replica + 1) * counts[expert] / replicas <= row) ++replica;
    slots[i] = slots_of[expert][static_cast<size_t>(replica)];
  }
  return slots;
}

/// Of each slot, where every expert has as many; an empty one has none.
std::vector<int64_t> padded_rows_of_slots(const RowPlacement& p) {
  const std::span<const int> experts = p.slot_to_expert;
  std::vector<int64_t> rows;
  for (auto slot = experts.begin(); slot != experts.end(); ++slot) {
    const auto before = std::count(experts.begin(), slot, *slot),
               replicas = std::count(experts.begin(), experts.end(), *slot);
    const int64_t share = chunk_share(p.padded_rows, static_cast<int>(before), static_cast<int>(replicas));
    rows.push_back(*slot < 0 ? 0 : share);
  }
  return rows;
}

}  // namespace

std::vector<int64_t> place_rows(const int32_t* chosen, const std::vector<int64_t>& counts, int64_t tokens,
                                int64_t top_k, const RowPlacement& p, int32_t* rows) {
  std::vector<int32_t> slices;  // [tokens, top_k, slices]
  for (int64_t choice = 0; choice < tokens * top_k; ++choice)
    for (int slice = 0; slice < p.slices; ++slice)
      slices.push_back(chosen[choice] < 0 ? -1 : chosen[choice] * p.slices + slice);
  const std::vector<int64_t> divided = p.padded_rows > 0 ? std::vector<int64_t>(counts.size(), p.padded_rows) : counts;
  const std::vector<int32_t> slots = slots_of_choices(slices, rows_of_slices(divided, p.slices), p.slot_to_expert);
  const auto num_slots = static_cast<int64_t>(p.slot_to_expert.size());
  std::vector<int32_t> identity(p.slot_to_expert.size());
  std::iota(identity.begin(), identity.end(), 0);
  std::vector<int64_t> rows_per_slot(p.slot_to_expert.size());
  build_permutation(slots.data(), identity.data(), rows, rows_per_slot.data(), tokens, top_k * p.slices, num_slots);
  if (p.padded_rows == 0) return rows_per_slot;
  const std::vector<int64_t> padded = padded_rows_of_slots(p);
  std::vector<int64_t> shift(rows_per_slot.size());  // padding before each slot
  for (size_t slot = 1; slot < shift.size(); ++slot)
    shift[slot] = shift[slot - 1] + padded[slot - 1] - rows_per_slot[slot - 1];
  for (size_t i = 0; i < slots.size(); ++i)
    if (slots[i] >= 0) rows[i] += static_cast<int32_t>(shift[static_cast<size_t>(slots[i])]);
  return padded;
}

}  // namespace moesaic::executor::cpu
