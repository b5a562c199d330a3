#include "executor/runtime/residency/expert_states.h"

#include <algorithm>

#include "core/graph/holdings.h"
#include "core/graph/operands.h"
#include "core/operators/transfers.h"

namespace moesaic::executor {
namespace {

using operands::DrainGradients, operands::FetchExperts, operands::LoadExperts;

std::vector<int> slots_of(const TaskGraph& graph) {
  std::vector<int> slots;
  for (const ExpertPlacement& placement : graph.placement) slots.push_back(placement.slots_per_rank);
  return slots;
}

/// [num_moe_layers][parameters]: indices into TaskGraph::parameters.
std::vector<std::vector<int>> expert_parameters(const TaskGraph& graph) {
  std::vector<std::vector<int>> parameters(graph.placement.size());
  for (size_t i = 0; i < graph.parameters.size(); ++i)
    if (const int layer = graph.parameters[i].moe_layer; layer >= 0) parameters[layer].push_back(static_cast<int>(i));
  return parameters;
}

/// Of any layer, as they are alike.
SlotLayout layout_of(const TaskGraph& graph, const std::vector<int>& parameters) {
  SlotLayout layout;
  for (size_t p = 0; p < kSlotParameters; ++p) layout.elements[p] = graph.parameters[parameters.at(p)].slot_elements;
  return layout;
}

// Windows are operands in the order of a slot's parameters, up and down.
static_assert(FetchExperts::up == 0 && FetchExperts::down == 1);
static_assert(DrainGradients::d_up == 0 && DrainGradients::d_down == 1);

}  // namespace

ExpertStates::ExpertStates(const TaskGraph& graph, const Plan& plan, int rank, Backend& backend,
                           const std::string& folder, const FillWeights& fill)
    : graph_(graph),
      parameters_(expert_parameters(graph)),
      layout_(layout_of(graph, parameters_.front())),
      residency_(plan.expert_storage, slots_of(graph)),
      blocks_(plan.expert_storage.home, residency_.num_blocks(), layout_.bytes(), folder, host_),
      adamw_(plan.workload.optimizer, layout_),
      gradients_(layout_, host_),
      to_device_(backend),
      from_device_(backend, layout_) {
  initialise(rank, fill);
  count_slots(rank);
}

/// Of the ranks that hold the same slots the first, and of an expert's slots the first.
void ExpertStates::count_slots(int rank) {
  for (size_t layer = 0; layer < parameters_.size(); ++layer) {
    const Parameter& parameter = graph_.parameters[parameters_[layer].front()];
    if (graph_.position(parameter.replicas, rank) > 0) continue;
    for (const Piece& piece : pieces_of(graph_, parameter, rank))
      if (!piece.is_copy)
        counted_.emplace(static_cast<int>(layer), static_cast<int>(piece.local_offset / parameter.slot_elements));
  }
}

void ExpertStates::initialise(int rank, const FillWeights& fill) {
  for (int layer = 0; layer < static_cast<int>(parameters_.size()); ++layer)
    for (int slot = 0; slot < graph_.placement[layer].slots_per_rank; ++slot) {
      const SharedStates states = blocks_.make();
      fill_slot(layer, slot, rank, fill, states->data());
      blocks_.put(residency_.block(layer, slot), states);
    }
}

void ExpertStates::fill_slot(int layer, int slot, int rank, const FillWeights& fill, float* states) const {
  for (size_t p = 0; p < kSlotParameters; ++p) {
    const Parameter& parameter = graph_.parameters[parameters_[static_cast<size_t>(layer)][p]];
    const int64_t begin = slot * parameter.slot_elements, n = parameter.slot_elements;
    float* out = states + layout_.offset(p);
    for (const Piece& whole : pieces_of(graph_, parameter, rank))
      for (const Piece& piece : clip(whole, begin, begin + n)) fill(piece, out);
    std::fill(out + n, out + kStatesPerWeight * n, 0.0f);
  }
}

ExpertMoves ExpertStates::moves_of(const Task& task, std::span<const int> active) {
  if (task.demand == Demand::predicted) return residency_.load_predicted(task.moe_layer);
  if (task.demand == Demand::missing) return residency_.load_missing(task.moe_layer, active);
  return residency_.load_active(task.moe_layer, active);
}

void ExpertStates::start(const Task& task, std::span<const int> active) {
  if (task.op == Op::load_experts) return load(task, active);
  if (task.demand != Demand::none) return blocks_.write_through(task.moe_layer);
  for (int64_t block : residency_.end_step()) blocks_.write(block, blocks_.kept(block));
}

void ExpertStates::load(const Task& task, std::span<const int> active) {
  const ExpertMoves moves = moves_of(task, active);
  std::vector<int64_t> wanted;
  for (int slot : moves.slots) wanted.push_back(residency_.block(task.moe_layer, slot));
  const TensorId signal = task.writes[LoadExperts::signal];
  loaded_[signal] = blocks_.carry_out(moves, wanted);
  brought_[signal] = moves.slots;
}

/// The states that a load brought for this task, or those that host memory holds anyway; nobody else reads or writes
/// their memory any more.
SharedStates ExpertStates::find(const Task& task, int slot) {
  const int64_t block = residency_.block(task.moe_layer, slot);
  if (!blocks_.on_storage()) return blocks_.kept(block);
  blocks_.end_write_of(block);
  return loaded_.at(load_before(task)).at(block);
}

void ExpertStates::forget_load_of(const Task& task) {
  if (blocks_.on_storage()) loaded_.erase(load_before(task));
}

std::vector<int> ExpertStates::slots_to_fetch(const Task& task, std::span<const int> active) {
  return blocks_.on_storage() ? brought_.at(load_before(task)) : moves_of(task, active).slots;
}

void ExpertStates::fetch(const Task& task, std::span<const Operand> weights, int64_t step) {
  to_device_.release_done();
  const std::span<const int> slots = weights[FetchExperts::up].slots;  // as of down
  for (size_t row = 0; row < slots.size(); ++row) {
    const SharedStates states = find(task, slots[row]);
    adamw_.catch_up(*states, step);
    for (size_t p = 0; p < weights.size(); ++p) {
      const Bytes bytes = bytes_of(weights[p].dtype, layout_.elements[p]);
      to_device_.send(task.lane, weights[p].as<std::byte>() + static_cast<Bytes>(row) * bytes, weights[p].dtype,
                      states->data() + layout_.offset(p), layout_.elements[p]);
      moved_.to_device += bytes;
    }
  }
  forget_load_of(task);
}

void ExpertStates::drain(const Task& task, std::span<const Operand> gradients) {
  moved_.from_device += from_device_.start(task.lane, task.moe_layer, gradients);
}

void ExpertStates::update(const Task& task, std::span<const int> active, int64_t step, float gradient_scale) {
  std::vector<int> changed;
  for (int slot : active) {
    const SharedStates states = find(task, slot);
    adamw_.catch_up(*states, step);
    if (adamw_.skips(step)) continue;
    adamw_.update(*states, gradients_.of(task.moe_layer, slot), gradient_scale);
    changed.push_back(slot);
  }
  for (int64_t block : residency_.updated(task.moe_layer, changed))
    for (int slot : changed)
      if (residency_.block(task.moe_layer, slot) == block) blocks_.changed(task.moe_layer, block, find(task, slot));
  gradients_.clear(task.moe_layer);
  forget_load_of(task);
}

int ExpertStates::find_non_finite(int moe_layer, ExactSquares* squares) const {
  const std::optional<size_t> parameter = gradients_.find_non_finite(moe_layer, squares, counted_);
  return parameter ? parameters_[static_cast<size_t>(moe_layer)][*parameter] : -1;
}

void ExpertStates::for_each(int64_t steps, bool changes, const Visit& visit) {
  for (int layer = 0; layer < static_cast<int>(parameters_.size()); ++layer)
    for (int slot = 0; slot < graph_.placement[layer].slots_per_rank; ++slot) {
      const int64_t block = residency_.block(layer, slot);
      const SharedStates states = blocks_.open(block);
      adamw_.catch_up(*states, steps);
      visit(layer, slot, states->data());
      if (!changes) continue;
      states->steps = steps;
      blocks_.close(block, states);
    }
}

MovedBytes ExpertStates::moved() const {
  MovedBytes moved = moved_;
  moved.storage_read = blocks_.bytes_read();
  moved.storage_written = blocks_.bytes_written();
  return moved;
}

}  // namespace moesaic::executor
