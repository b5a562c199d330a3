#include "executor/runtime/lanes/live_routing.h"

#include <algorithm>

namespace moesaic::executor {

LiveRouting::LiveRouting(const TaskGraph& graph, const Plan& plan, int rank, bool moves_experts)
    : graph_(graph),
      plan_(plan),
      rank_(rank),
      position_(rank % plan.layout.ep),
      group_first_rank_(rank - position_),
      moves_experts_(moves_experts),
      counts_(static_cast<size_t>(plan.layout.micro_batches) * graph.placement.size()),
      used_slots_(counts_.size()) {}

void LiveRouting::start_step() {
  const auto experts = static_cast<size_t>(plan_.model.num_experts), layers = graph_.placement.size();
  expert_rows_.assign(counts_.size() * experts, 0);
  for (size_t key = 0; key < counts_.size(); ++key) {
    counts_[key].clear();
    if (!plan_.model.routed_by_task) continue;
    const auto microbatch = static_cast<int>(key / layers);
    counts_[key].push_back(task_counts(plan_, graph_.placement[key % layers], microbatch));
    for (const SequenceRange& range : local_batch(plan_, rank_, microbatch))
      expert_rows_[key * experts + static_cast<size_t>(range.task)] += range.count * plan_.workload.sequence_length;
  }
}

bool LiveRouting::announces(const Task& task) const {
  return announces_counts(task, plan_) || (moves_experts_ && !layers_gathered(graph_, task).empty());
}

void LiveRouting::bind(const Task& task, std::span<const int32_t> counts) {
  const std::vector<int> layers = layers_gathered(graph_, task);
  if (layers.empty()) return bind_group(task, counts);
  const size_t of_layer = static_cast<size_t>(graph_.num_chunks) * static_cast<size_t>(plan_.model.num_experts);
  for (size_t i = 0; i < layers.size(); ++i)
    bind_used_slots(task.microbatch, layers[i], counts.subspan(i * of_layer), plan_.layout.stage_ranks(),
                    static_cast<int64_t>(of_layer * layers.size()));
}

void LiveRouting::bind_group(const Task& task, std::span<const int32_t> counts) {
  const int experts = static_cast<int>(plan_.model.num_experts), chunks = graph_.num_chunks, ep = plan_.layout.ep;
  const ExpertPlacement& placement = graph_.placement[static_cast<size_t>(task.moe_layer)];
  const size_t key = key_of(task.microbatch, task.moe_layer);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    counts_[key].push_back(split_over_slots(rows_of_slices(group_rows(counts, chunk), graph_.expert_slices), ep,
                                            experts * graph_.expert_slices, placement));
    const std::span<const int32_t> own = counts.subspan(static_cast<size_t>((position_ * chunks + chunk) * experts));
    for (size_t expert = 0; expert < static_cast<size_t>(experts); ++expert)
      expert_rows_[key * static_cast<size_t>(experts) + expert] += own[expert];
  }
  if (moves_experts_) bind_used_slots(task.microbatch, task.moe_layer, counts, ep, int64_t{chunks} * experts);
}

/// What each member of the group sends of a chunk to each expert, [ep, num_experts]: padded dispatch always its
/// capacity.
std::vector<int64_t> LiveRouting::group_rows(std::span<const int32_t> counts, int chunk) const {
  const int experts = static_cast<int>(plan_.model.num_experts), chunks = graph_.num_chunks;
  const bool padded = plan_.dispatch.kind == DispatchKind::padded;
  std::vector<int64_t> rows;
  for (int member = 0; member < plan_.layout.ep; ++member) {
    const int64_t capacity = capacity_rows(plan_.dispatch.capacity_factor, graph_.tokens_of(group_first_rank_ + member),
                                           plan_.model.top_k, experts);
    for (int expert = 0; expert < experts; ++expert)
      rows.push_back(padded ? chunk_share(capacity, chunk, chunks)
                            : counts[static_cast<size_t>((member * chunks + chunk) * experts + expert)]);
  }
  return rows;
}

/// Slots with rows from any of these ranks, whose counts, [chunks, num_experts], stand `stride` apart. Of a group
/// first: what it uses is known when its rows move; gradients wait for what the stage uses.
void LiveRouting::bind_used_slots(int microbatch, int moe_layer, std::span<const int32_t> counts, int ranks,
                                  int64_t stride) {
  const auto experts = static_cast<int>(plan_.model.num_experts);
  const ExpertPlacement& placement = graph_.placement[static_cast<size_t>(moe_layer)];
  const int first = position_ * placement.slots_per_rank;
  std::vector<bool>& used = used_slots_[key_of(microbatch, moe_layer)];
  used.assign(static_cast<size_t>(placement.slots_per_rank), plan_.dispatch.kind == DispatchKind::padded);
  for (int slot = 0; slot < placement.slots_per_rank; ++slot) {
    const int expert = placement.slot_to_expert[static_cast<size_t>(first + slot)] / graph_.expert_slices;
    for (int rank = 0; rank < ranks; ++rank)
      for (int chunk = 0; chunk < graph_.num_chunks; ++chunk)
        if (counts[static_cast<size_t>(rank * stride + chunk * experts + expert)] > 0)
          used[static_cast<size_t>(slot)] = true;
  }
}

std::span<const SlotCounts> LiveRouting::counts_of(const Task& task) const {
  if (task.moe_layer < 0) return {};
  return counts_[key_of(task.microbatch, task.moe_layer)];
}

std::vector<int> LiveRouting::active_slots(const Task& task) const {
  std::vector<int> slots;
  if (task.demand == Demand::predicted || (task.demand == Demand::none && task.op != Op::clear)) return slots;
  std::vector<bool> active(static_cast<size_t>(graph_.placement[static_cast<size_t>(task.moe_layer)].slots_per_rank));
  const bool all_microbatches = task.phase == Phase::update;
  for (int microbatch = 0; microbatch < plan_.layout.micro_batches; ++microbatch)
    if (all_microbatches || microbatch == task.microbatch)
      mark_active(task, key_of(microbatch, task.moe_layer), active);
  for (size_t slot = 0; slot < active.size(); ++slot)
    if (active[slot]) slots.push_back(static_cast<int>(slot));
  return slots;
}

void LiveRouting::mark_active(const Task& task, size_t key, std::vector<bool>& active) const {
  if (task.phase == Phase::update || task.op == Op::clear) {
    for (size_t slot = 0; slot < active.size(); ++slot) active[slot] = active[slot] || used_slots_[key][slot];
    return;
  }
  for (const SlotCounts& counts : counts_[key]) {
    const std::vector<int64_t> rows = counts.slot_rows(position_);
    for (size_t slot = 0; slot < active.size(); ++slot) active[slot] = active[slot] || rows[slot] > 0;
  }
}

}  // namespace moesaic::executor
