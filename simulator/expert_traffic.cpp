#include "simulator/expert_traffic.h"

#include <algorithm>

#include "core/graph/operands.h"
#include "core/operators/transfers.h"
#include "core/schema/error.h"

namespace moesaic::simulator {
namespace {

std::vector<int> slots_of(const TaskGraph& graph) {
  std::vector<int> slots;
  for (const ExpertPlacement& placement : graph.placement) slots.push_back(placement.slots_per_rank);
  return slots;
}

}  // namespace

ExpertTraffic::ExpertTraffic(const TaskGraph& graph, const Plan& plan, int64_t step)
    : graph_(graph),
      plan_(plan),
      step_(step),
      binding_(plan),
      ranks_(static_cast<size_t>(graph.num_ranks), ExpertResidency(plan.expert_storage, slots_of(graph))),
      brought_(static_cast<size_t>(graph.num_ranks) * graph.tensors.size()) {
  for (const Parameter& parameter : graph.parameters) {
    if (parameter.moe_layer != 0) continue;
    slot_weights_ += parameter.slot_elements;
    weight_bytes_ += bytes_of(graph.tensors[parameter.weight].dtype, parameter.slot_elements);
  }
  block_bytes_ = bytes_of(DType::f32, kStateWords * slot_weights_);
  for (int rank = 0; rank < graph.num_ranks; ++rank) warm_up(rank);
}

void ExpertTraffic::warm_up(int rank) {
  constexpr int64_t kStationary = 3;  // the next steps of a stationary routing move what the fourth moves
  constexpr int64_t kHistory = 100;   // of a recorded routing: hits remember steps until decay has forgotten them
  const int64_t recorded = plan_.routing.num_iterations / plan_.layout.micro_batches;  // steps, which wrap around
  for (int64_t back = std::clamp(recorded - 1, kStationary, kHistory); back >= 1; --back) {
    const int64_t step = recorded > 0    ? (step_ + kHistory * recorded - back) % recorded
                         : step_ >= back ? step_ - back
                                         : step_ + back;
    for (const Task& task : graph_.tasks)
      if (is_transfer(task.op)) move(task, rank, step);
  }
}

TransferWork ExpertTraffic::of(TaskIndex task, int rank) { return move(graph_.tasks[task], rank, step_); }

TransferWork ExpertTraffic::move(const Task& task, int rank, int64_t step) {
  ExpertResidency& residency = ranks_[static_cast<size_t>(rank)];
  const auto brought = [&](TensorId signal) -> std::vector<int>& {
    return brought_[static_cast<size_t>(rank) * graph_.tensors.size() + static_cast<size_t>(signal)];
  };
  const auto load = [&] {
    if (task.demand == Demand::predicted) return residency.load_predicted(task.moe_layer);
    const std::vector<int> active = active_slots(task, rank, step);
    return task.demand == Demand::missing ? residency.load_missing(task.moe_layer, active)
                                          : residency.load_active(task.moe_layer, active);
  };
  const bool on_storage = plan_.expert_storage.home == Tier::storage;
  TransferWork work;
  switch (task.op) {
    case Op::load_experts: {
      const ExpertMoves moves = load();
      work.moved.storage_read = moves.reads() * block_bytes_;
      work.moved.storage_written = moves.writes() * block_bytes_;
      brought(task.writes[operands::LoadExperts::signal]) = moves.slots;
      break;
    }
    case Op::fetch_experts: {
      const size_t slots = on_storage ? brought(load_before(task)).size() : load().slots.size();
      work.moved.to_device = static_cast<Bytes>(slots) * weight_bytes_;
      break;
    }
    case Op::drain_gradients:
      work.moved.from_device = static_cast<Bytes>(active_slots(task, rank, step).size()) * weight_bytes_;
      break;
    case Op::check_experts:
      work.checked_elements = static_cast<int64_t>(active_slots(task, rank, step).size()) * slot_weights_;
      break;
    case Op::update_experts: {
      const std::vector<int> active = active_slots(task, rank, step);
      work.updated_elements = static_cast<int64_t>(active.size()) * slot_weights_;
      brought(task.writes[operands::UpdateExperts::signal]).assign(residency.updated(task.moe_layer, active).size(), 0);
      break;
    }
    case Op::store_experts:  // what the update left outside the cache, or a flush
      work.moved.storage_written =
          block_bytes_ * static_cast<Bytes>(task.demand == Demand::none
                                                ? residency.end_step().size()
                                                : brought(task.reads[operands::StoreExperts::updated]).size());
      break;
    default:
      throw InvariantError(__FILE__, __LINE__, "op", std::string("no bytes are known of ") + name_of(task.op));
  }
  return work;
}

std::vector<int> ExpertTraffic::active_slots(const Task& task, int rank, int64_t step) const {
  const int64_t first = step * plan_.layout.micro_batches;
  return demanded_slots(task, plan_.layout.micro_batches, [&](Rows which, int microbatch) {
    return binding_.slots(which, first + microbatch, task.moe_layer, rank);
  });
}

}  // namespace moesaic::simulator
