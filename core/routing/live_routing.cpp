#include "core/routing/live_routing.h"

#include "core/schema/error.h"

namespace moesaic {

LiveRouting::LiveRouting(const Plan& plan, int rank)
    : plan_(plan),
      rules_(plan),
      rank_(rank),
      announced_(announced_counts(plan)),
      layers_(static_cast<size_t>(rules_.micro_batches) * rules_.placement.size()) {}

void LiveRouting::start_step() {
  expert_rows_.assign(layers_.size() * static_cast<size_t>(rules_.num_experts), 0);
  for (Layer& layer : layers_) layer.counts.clear();
  if (!plan_.model.routed_by_task) return;
  for (int microbatch = 0; microbatch < rules_.micro_batches; ++microbatch)
    for (size_t layer = 0; layer < rules_.placement.size(); ++layer) bind_tasks(microbatch, static_cast<int>(layer));
}

void LiveRouting::bind_tasks(int microbatch, int moe_layer) {
  const size_t index = index_of(microbatch, moe_layer);
  layers_[index].counts.push_back(task_counts(plan_, rules_.placement[moe_layer], microbatch));
  for (const SequenceRange& range : local_batch(plan_, rank_, microbatch))
    expert_rows(index, range.task) += range.count * plan_.workload.sequence_length;
}

void LiveRouting::announce(int microbatch, int moe_layer, const int32_t* counts) {
  const int experts = rules_.num_experts, chunks = rules_.num_chunks, group = rank_ / rules_.ep;
  const size_t index = index_of(microbatch, moe_layer);
  const auto chosen = [&](int source, int chunk, int expert) {
    return counts[source * announced_ + chunk * experts + expert];
  };
  for (int chunk = 0; chunk < chunks; ++chunk) {
    std::vector<int64_t> rows;
    rows.reserve(static_cast<size_t>(rules_.ep) * static_cast<size_t>(experts));
    for (int source = 0; source < rules_.num_sources(); ++source)
      for (int expert = 0; expert < experts; ++expert)
        rows.push_back(rules_.padded ? chunk_share(rules_.capacity(rules_.first_rank_of(group, source)), chunk, chunks)
                                     : chosen(source, chunk, expert));
    layers_[index].counts.push_back(rules_.over_slots(moe_layer, rows));
    layers_[index].counts.back().set_once(announced_once(counts, chunk));
    const int own = rules_.position(rank_) / rules_.token_copies;
    for (int expert = 0; expert < experts; ++expert) expert_rows(index, expert) += chosen(own, chunk, expert);
  }
  bind_used(microbatch, moe_layer, counts, rules_.num_sources(), announced_);
}

/// Behind a rank's rows per expert: [sources, nodes] of a chunk.
std::vector<int64_t> LiveRouting::announced_once(const int32_t* counts, int chunk) const {
  std::vector<int64_t> once;
  const int nodes = rules_.nodes_reached_once;
  for (int source = 0; source < rules_.num_sources(); ++source) {
    const int32_t* own = counts + source * announced_ + rules_.num_chunks * rules_.num_experts + chunk * nodes;
    once.insert(once.end(), own, own + nodes);
  }
  return once;
}

void LiveRouting::announce_stage(int microbatch, std::span<const int> moe_layers, const int32_t* counts) {
  const int64_t of_layer = announced_;
  for (size_t i = 0; i < moe_layers.size(); ++i)
    bind_used(microbatch, moe_layers[i], counts + static_cast<int64_t>(i) * of_layer, rules_.stage_ranks,
              of_layer * static_cast<int64_t>(moe_layers.size()));
}

/// Slots with rows from any of these ranks, whose counts, as announced, stand `stride` apart. Of a group
/// first: what it uses is known when its rows move; gradients wait for what the stage uses.
void LiveRouting::bind_used(int microbatch, int moe_layer, const int32_t* counts, int ranks, int64_t stride) {
  const ExpertPlacement& placement = rules_.placement[moe_layer];
  const int first = rules_.position(rank_) * placement.slots_per_rank;
  std::vector<bool>& used = layers_[index_of(microbatch, moe_layer)].used;
  used.assign(static_cast<size_t>(placement.slots_per_rank), rules_.padded);
  for (int slot = 0; slot < placement.slots_per_rank; ++slot) {
    const int expert = placement.slot_to_expert[static_cast<size_t>(first + slot)] / rules_.expert_slices;
    for (int rank = 0; rank < ranks; ++rank)
      for (int chunk = 0; chunk < rules_.num_chunks; ++chunk)
        if (counts[rank * stride + chunk * rules_.num_experts + expert] > 0) used[static_cast<size_t>(slot)] = true;
  }
}

std::span<const SlotCounts> LiveRouting::counts(int microbatch, int moe_layer) const {
  return layers_[index_of(microbatch, moe_layer)].counts;
}

std::vector<int> LiveRouting::slots(Rows window, int microbatch, int moe_layer) const {
  const Layer& layer = layers_[index_of(microbatch, moe_layer)];
  if (window == Rows::used_slots) return set_slots(layer.used);
  MOESAIC_CHECK(window == Rows::active_slots, "a live router predicts nothing");
  std::vector<bool> active(static_cast<size_t>(rules_.placement[moe_layer].slots_per_rank), false);
  for (const SlotCounts& chunk : layer.counts) {
    const std::vector<int64_t> rows = chunk.slot_rows(rules_.position(rank_));
    for (size_t slot = 0; slot < active.size(); ++slot) active[slot] = active[slot] || rows[slot] > 0;
  }
  return set_slots(active);
}

}  // namespace moesaic
