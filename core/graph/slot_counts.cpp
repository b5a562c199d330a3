#include "core/graph/slot_counts.h"

#include <cmath>

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
  for (int source = 0; source < num_ranks_; ++source) rows += between(source, rank);
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

std::vector<int64_t> SlotCounts::slot_rows(int rank) const {
  std::vector<int64_t> rows(static_cast<size_t>(slots_per_rank_), 0);
  for (int source = 0; source < num_ranks_; ++source)
    for (int i = 0; i < slots_per_rank_; ++i) rows[static_cast<size_t>(i)] += at(source, rank * slots_per_rank_ + i);
  return rows;
}

int64_t SlotCounts::leg_rows(Leg leg, int from, int to, int ranks_per_node) const {
  const auto over_nodes = [&](int source, int local) {  // all rows of source for this local rank of any node
    int64_t rows = 0;
    for (int destination = local; destination < num_ranks_; destination += ranks_per_node)
      rows += between(source, destination);
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

int64_t capacity_rows(double capacity_factor, int64_t tokens, int64_t top_k, int64_t num_experts) {
  const double mean = static_cast<double>(tokens * top_k) / static_cast<double>(num_experts);
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(capacity_factor * mean)));
}

std::vector<int64_t> rows_of_slices(const std::vector<int64_t>& expert_rows, int slices) {
  std::vector<int64_t> rows;
  rows.reserve(expert_rows.size() * static_cast<size_t>(slices));
  for (int64_t n : expert_rows) rows.insert(rows.end(), static_cast<size_t>(slices), n);
  return rows;
}

SlotCounts split_over_slots(const std::vector<int64_t>& expert_rows, int num_ranks, int num_experts,
                            const ExpertPlacement& placement) {
  SlotCounts counts(num_ranks, placement.slots_per_rank);
  std::vector<std::vector<int>> slots_of(static_cast<size_t>(num_experts));
  for (size_t slot = 0; slot < placement.slot_to_expert.size(); ++slot)
    slots_of[static_cast<size_t>(placement.slot_to_expert[slot])].push_back(static_cast<int>(slot));
  for (int source = 0; source < num_ranks; ++source)
    for (int expert = 0; expert < num_experts; ++expert) {
      const auto& slots = slots_of[static_cast<size_t>(expert)];
      const int64_t rows = expert_rows[static_cast<size_t>(source) * num_experts + expert];
      for (size_t j = 0; j < slots.size(); ++j)
        counts.at(source, slots[j]) = chunk_share(rows, static_cast<int>(j), static_cast<int>(slots.size()));
    }
  return counts;
}

SlotCounts task_counts(const Plan& plan, const ExpertPlacement& placement, int microbatch) {
  SlotCounts counts(plan.layout.ranks, placement.slots_per_rank);
  for (int rank = 0; rank < plan.layout.ranks; ++rank) {
    int slot = rank * placement.slots_per_rank;
    for (const SequenceRange& range : local_batch(plan, rank, microbatch))
      counts.at(rank, slot++) = range.count * plan.workload.sequence_length;
  }
  return counts;
}

bool announces_counts(const Task& task, const Plan& plan) {
  return task.moe_layer >= 0 && task.op == (plan.layout.ep == 1 ? Op::router : Op::all_gather);
}

std::vector<int> layers_gathered(const TaskGraph& graph, const Task& task) {
  std::vector<int> layers;
  if (task.op != Op::all_gather || task.moe_layer >= 0) return layers;
  for (TensorId read : task.reads) {
    const Tensor& counts = graph.tensors[static_cast<size_t>(read)];
    if (counts.dtype == DType::i32 && counts.moe_layer >= 0) layers.push_back(counts.moe_layer);
  }
  return layers;
}

namespace {

/// (token, choice) pairs of each rank of a pipeline stage; the stages see the same tokens: [ranks of a stage].
std::vector<int64_t> assignments(const TaskGraph& graph, const Plan& plan) {
  std::vector<int64_t> rows;
  for (int rank = 0; rank < plan.layout.stage_ranks(); ++rank) rows.push_back(graph.tokens_of(rank) * plan.model.top_k);
  return rows;
}

}  // namespace

RoutingBinding::RoutingBinding(const TaskGraph& graph, const Plan& plan)
    : graph_(graph),
      plan_(plan),
      ranks_per_node_(std::min(plan.cluster.devices_per_node, plan.layout.ep)),
      ep_(plan.layout.ep),
      routing_(plan.routing, plan.model.num_moe_layers(), plan.layout.stage_ranks(), plan.model.num_experts,
               assignments(graph, plan)) {}

const SlotCounts& RoutingBinding::counts(int64_t iteration, int moe_layer, int rank, int chunk, int num_chunks) const {
  const int group = rank % plan_.layout.stage_ranks() / ep_;
  const Key key{iteration, moe_layer, group, chunk, num_chunks};
  if (const auto known = memo_.find(key); known != memo_.end()) return known->second;
  const ExpertPlacement& placement = graph_.placement[static_cast<size_t>(moe_layer)];
  if (plan_.model.routed_by_task)
    return memo_.emplace(key, task_counts(plan_, placement, static_cast<int>(iteration % plan_.layout.micro_batches)))
        .first->second;
  const Dispatch& dispatch = plan_.dispatch;
  const int experts = static_cast<int>(routing_.num_experts());
  std::vector<int64_t> rows(static_cast<size_t>(ep_) * experts);
  for (int source = 0; source < ep_; ++source) {
    const std::vector<int64_t>& routed = routing_.counts(iteration, moe_layer, group * ep_ + source);
    const int64_t capacity =
        capacity_rows(dispatch.capacity_factor, graph_.tokens_of(group * ep_ + source), plan_.model.top_k, experts);
    for (int expert = 0; expert < experts; ++expert) {
      int64_t n = routed[static_cast<size_t>(expert)];
      if (dispatch.capacity_factor > 0) n = dispatch.kind == DispatchKind::padded ? capacity : std::min(n, capacity);
      rows[static_cast<size_t>(source) * experts + expert] = chunk_share(n, chunk, num_chunks);
    }
  }
  const int slices = graph_.expert_slices;
  return memo_.emplace(key, split_over_slots(rows_of_slices(rows, slices), ep_, experts * slices, placement))
      .first->second;
}

/// [slots_per_rank]
std::vector<int64_t> RoutingBinding::slot_rows(int64_t iteration, int moe_layer, int rank) const {
  return counts(iteration, moe_layer, rank, 0, 1).slot_rows(rank % ep_);
}

std::vector<int> RoutingBinding::slots(Rows window, int64_t iteration, int moe_layer, int rank) const {
  const auto with_rows = [&](int64_t at, int of_rank) {
    std::vector<bool> has_rows;
    for (int64_t rows : slot_rows(at, moe_layer, of_rank)) has_rows.push_back(rows > 0);
    return has_rows;
  };
  const auto before = [&] {
    if (iteration > 0) return iteration - 1;
    return plan_.routing.num_iterations > 0 ? plan_.routing.num_iterations - 1 : 2 * plan_.layout.micro_batches - 1;
  };
  std::vector<bool> chosen = with_rows(window == Rows::predicted_slots ? before() : iteration, rank);
  if (window == Rows::missing_slots) {
    const std::vector<bool> predicted = with_rows(before(), rank);
    for (size_t slot = 0; slot < chosen.size(); ++slot) chosen[slot] = chosen[slot] && !predicted[slot];
  }
  for (int twin = rank % ep_; window == Rows::used_slots && twin < graph_.num_ranks; twin += ep_) {
    const std::vector<bool> there = with_rows(iteration, twin);
    for (size_t slot = 0; slot < chosen.size(); ++slot) chosen[slot] = chosen[slot] || there[slot];
  }
  std::vector<int> slots;
  for (size_t slot = 0; slot < chosen.size(); ++slot)
    if (chosen[slot]) slots.push_back(static_cast<int>(slot));
  return slots;
}

template <class TaskOrTensor>
int64_t RoutingBinding::bound_rows(const TaskOrTensor& item, int rank, int64_t iteration) const {
  if (item.rows == Rows::fixed) return item.fixed_rows;
  if (item.rows == Rows::local) return graph_.tokens_of(rank);
  if (is_window(item.rows))
    return static_cast<int64_t>(slots(item.rows, iteration + item.microbatch, item.moe_layer, rank).size());
  const SlotCounts& bound = counts(iteration + item.microbatch, item.moe_layer, rank, item.chunk, item.num_chunks);
  const int position = rank % ep_;
  if (item.rows == Rows::sent) return bound.sent(position);
  if (item.rows == Rows::relayed) return bound.relayed(position, ranks_per_node_);
  return bound.received(position);
}

int64_t RoutingBinding::rows(const Task& task, int rank, int64_t iteration) const {
  return bound_rows(task, rank, iteration);
}

Bytes RoutingBinding::bytes(const Tensor& tensor, int rank, int64_t iteration) const {
  return bytes_of(tensor.dtype, bound_rows(tensor, rank, iteration) * tensor.row_elements);
}

}  // namespace moesaic
