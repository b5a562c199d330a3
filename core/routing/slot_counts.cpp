#include "core/routing/slot_counts.h"

#include "core/schema/error.h"

namespace moesaic {

int64_t SlotCounts::between(int source, int rank) const {
  int64_t rows = 0;
  for (int slot = rank * slots_per_rank_; slot < (rank + 1) * slots_per_rank_; ++slot) rows += at(source, slot);
  return rows;
}

int64_t SlotCounts::sent(int source) const {
  int64_t rows = 0;
  for (int slot = 0; slot < num_ranks_ * slots_per_rank_; ++slot) rows += at(source, slot);
  return rows;
}

int64_t SlotCounts::received(int rank) const {
  int64_t rows = 0;
  for (int source = 0; source < num_sources_; ++source) rows += between(source, rank);
  return rows;
}

int64_t SlotCounts::relayed(int rank, int ranks_per_node) const {
  const int node = rank / ranks_per_node, local = rank % ranks_per_node;
  int64_t rows = 0;
  for (int source = node * ranks_per_node; source < (node + 1) * ranks_per_node; ++source)
    for (int destination = local; destination < num_ranks_; destination += ranks_per_node)
      rows += between(source, destination);
  return rows;
}

int64_t SlotCounts::once(int source, int node) const {
  MOESAIC_CHECK(!once_.empty(), "nobody has counted rows once per token and node");
  return once_[static_cast<size_t>(source) * (once_.size() / static_cast<size_t>(num_ranks_)) +
               static_cast<size_t>(node)];
}

int64_t SlotCounts::to_node(int source, int node, int ranks_per_node) const {
  int64_t rows = 0;
  for (int rank = node * ranks_per_node; rank < (node + 1) * ranks_per_node; ++rank) rows += between(source, rank);
  return rows;
}

int64_t SlotCounts::once_sent(int source) const {
  int64_t rows = 0;
  for (int node = 0; node < std::ssize(once_) / num_ranks_; ++node) rows += once(source, node);
  return rows;
}

int64_t SlotCounts::once_received(int rank, int ranks_per_node) const {
  int64_t rows = 0;
  for (int source = rank % ranks_per_node; source < num_ranks_; source += ranks_per_node)
    rows += once(source, rank / ranks_per_node);
  return rows;
}

int64_t SlotCounts::fanned(int rank, int ranks_per_node) const {
  int64_t rows = 0;
  for (int source = rank % ranks_per_node; source < num_ranks_; source += ranks_per_node)
    rows += to_node(source, rank / ranks_per_node, ranks_per_node);
  return rows;
}

std::vector<int64_t> SlotCounts::slot_rows(int rank) const {
  std::vector<int64_t> rows(static_cast<size_t>(slots_per_rank_), 0);
  for (int source = 0; source < num_sources_; ++source)
    for (int i = 0; i < slots_per_rank_; ++i) rows[static_cast<size_t>(i)] += at(source, rank * slots_per_rank_ + i);
  return rows;
}

int64_t SlotCounts::rows(Rows which, int rank, int ranks_per_node) const {
  if (which == Rows::sent) return sent(rank);
  if (which == Rows::relayed) return relayed(rank, ranks_per_node);
  if (which == Rows::once_sent) return once_sent(rank);
  if (which == Rows::once_received) return once_received(rank, ranks_per_node);
  if (which == Rows::fanned) return fanned(rank, ranks_per_node);
  MOESAIC_CHECK(which == Rows::received, "routing does not decide such rows");
  return received(rank);
}

int64_t SlotCounts::leg_rows(Leg leg, int from, int to, int ranks_per_node) const {
  const auto over_nodes = [&](int source, int local) {  // all rows of source for this local rank of any node
    int64_t rows = 0;
    for (int destination = local; destination < num_ranks_; destination += ranks_per_node)
      rows += between(source, destination);
    return rows;
  };
  const auto over_rail = [&](int local, int destination) {  // all rows of this local rank of any node for destination
    int64_t rows = 0;
    for (int source = local; source < num_ranks_; source += ranks_per_node) rows += between(source, destination);
    return rows;
  };
  const auto over_locals = [&](int node, int destination) {  // all rows of this node's ranks for destination
    int64_t rows = 0;
    for (int source = node * ranks_per_node; source < (node + 1) * ranks_per_node; ++source)
      rows += between(source, destination);
    return rows;
  };
  switch (leg) {
    case Leg::dispatch:
      return between(from, to);
    case Leg::combine:
      return between(to, from);
    case Leg::intra_out:
      return over_nodes(from, to % ranks_per_node);
    case Leg::intra_back:
      return over_nodes(to, from % ranks_per_node);
    case Leg::inter_out:
      return over_locals(from / ranks_per_node, to);
    case Leg::inter_back:
      return over_locals(to / ranks_per_node, from);
    case Leg::once_out:
      return once(from, to / ranks_per_node);
    case Leg::places_out:
      return to_node(from, to / ranks_per_node, ranks_per_node);
    case Leg::fan_out:
      return over_rail(from % ranks_per_node, to);
    case Leg::columns_out:
    case Leg::columns_back:
    case Leg::next_stage:
    case Leg::previous_stage:
    case Leg::none:
      break;
  }
  throw InvariantError(__FILE__, __LINE__, "leg", "routing moves no rows on this leg");
}

int64_t chunk_share(int64_t n, int chunk, int num_chunks) {
  return (chunk + 1) * n / num_chunks - chunk * n / num_chunks;
}

SlotCounts split_over_slots(const std::vector<int64_t>& expert_rows, int num_ranks, int num_experts,
                            const ExpertPlacement& placement, int num_sources) {
  if (num_sources == 0) num_sources = num_ranks;
  SlotCounts counts(num_sources, num_ranks, placement.slots_per_rank);
  std::vector<std::vector<int>> slots_of(static_cast<size_t>(num_experts));
  for (size_t slot = 0; slot < placement.slot_to_expert.size(); ++slot)
    slots_of[static_cast<size_t>(placement.slot_to_expert[slot])].push_back(static_cast<int>(slot));
  for (int source = 0; source < num_sources; ++source)
    for (int expert = 0; expert < num_experts; ++expert) {
      const auto& slots = slots_of[static_cast<size_t>(expert)];
      const int64_t rows = expert_rows[static_cast<size_t>(source) * num_experts + expert];
      for (size_t j = 0; j < slots.size(); ++j)
        counts.at(source, slots[j]) = chunk_share(rows, static_cast<int>(j), static_cast<int>(slots.size()));
    }
  return counts;
}

std::vector<int> set_slots(const std::vector<bool>& is_set) {
  std::vector<int> slots;
  for (size_t slot = 0; slot < is_set.size(); ++slot)
    if (is_set[slot]) slots.push_back(static_cast<int>(slot));
  return slots;
}

}  // namespace moesaic
