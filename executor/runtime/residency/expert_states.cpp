#include "executor/runtime/residency/expert_states.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "core/graph/holdings.h"
#include "core/graph/operands.h"
#include "core/operators/transfers.h"
#include "core/schema/error.h"
#include "executor/cpu/adamw.h"
#include "executor/cpu/bfloat16.h"
#include "executor/cpu/finite.h"

namespace moesaic::executor {
namespace {

using operands::DrainGradients, operands::FetchExperts, operands::LoadExperts;

std::vector<int> slots_of(const TaskGraph& graph) {
  std::vector<int> slots;
  for (const ExpertPlacement& placement : graph.placement) slots.push_back(placement.slots_per_rank);
  return slots;
}

// Windows are operands in the order of a slot's parameters, up and down.
static_assert(FetchExperts::up == 0 && FetchExperts::down == 1);
static_assert(DrainGradients::d_up == 0 && DrainGradients::d_down == 1);

constexpr int64_t kStatesPerWeight = 3;  // the weight and both moments

}  // namespace

ExpertStates::ExpertStates(const TaskGraph& graph, const Plan& plan, int rank, Backend& backend,
                           const std::string& folder, const FillWeights& fill)
    : graph_(graph),
      plan_(plan),
      backend_(backend),
      parameters_(graph.placement.size()),
      residency_(plan.expert_storage, slots_of(graph)) {
  for (size_t i = 0; i < graph.parameters.size(); ++i)
    if (graph.parameters[i].moe_layer >= 0)
      parameters_[static_cast<size_t>(graph.parameters[i].moe_layer)].push_back(static_cast<int>(i));
  for (int parameter : parameters_[0])
    slot_elements_.push_back(graph.parameters[static_cast<size_t>(parameter)].slot_elements);
  zeros_.resize(static_cast<size_t>(*std::max_element(slot_elements_.begin(), slot_elements_.end())), 0.0f);
  const Bytes block_bytes =
      kStatesPerWeight * (slot_elements_[0] + slot_elements_[1]) * static_cast<int64_t>(sizeof(float));
  memory_ = std::make_unique<AlignedPool>(block_bytes);
  stored_steps_.resize(static_cast<size_t>(residency_.num_blocks()), 0);
  if (plan.expert_storage.home == Tier::storage)
    store_ = std::make_unique<BlockStore>(folder.empty() ? std::filesystem::temp_directory_path().string() : folder,
                                          residency_.num_blocks(), block_bytes);
  initialise(rank, fill);
  if (store_) initial_writes_ = store_->traffic().bytes_written;
}

ExpertStates::~ExpertStates() {
  release_staging(true);
  for (void* staging : drain_.staging) backend_.release_host(staging);
}

void ExpertStates::initialise(int rank, const FillWeights& fill) {
  for (size_t layer = 0; layer < parameters_.size(); ++layer)
    for (int slot = 0; slot < graph_.placement[layer].slots_per_rank; ++slot) {
      const Shared states = make_states();
      float* out = states->data();
      for (size_t p = 0; p < parameters_[layer].size(); ++p) {
        const Parameter& parameter = graph_.parameters[static_cast<size_t>(parameters_[layer][p])];
        const int64_t begin = slot * parameter.slot_elements, n = parameter.slot_elements;
        for (const Piece& whole : pieces_of(graph_, parameter, rank))
          for (const Piece& piece : clip(whole, begin, begin + n)) fill(piece, out);
        std::fill(out + n, out + kStatesPerWeight * n, 0.0f);
        out += kStatesPerWeight * n;
      }
      const int64_t block = residency_.block(static_cast<int>(layer), slot);
      if (store_) {
        store_->wait(store_->write(block, states->memory.data()));
      } else {
        held_[block] = states;
      }
    }
}

ExpertStates::Shared ExpertStates::make_states() {
  const Bytes bytes = kStatesPerWeight * (slot_elements_[0] + slot_elements_[1]) * static_cast<int64_t>(sizeof(float));
  host_bytes_ += bytes;
  peak_host_bytes_ = std::max(peak_host_bytes_, host_bytes_);
  return Shared(new States{memory_->take()}, [this, bytes](States* states) {
    host_bytes_ -= bytes;
    delete states;
  });
}

ExpertMoves ExpertStates::moves_of(const Task& task, std::span<const int> active) {
  switch (task.demand) {
    case Demand::predicted:
      return residency_.load_predicted(task.moe_layer);
    case Demand::missing:
      return residency_.load_missing(task.moe_layer, active);
    default:
      return residency_.load_active(task.moe_layer, active);
  }
}

void ExpertStates::start(const Task& task, std::span<const int> active) {
  if (task.op == Op::load_experts)
    return carry_out(moves_of(task, active), task.moe_layer, task.writes[LoadExperts::signal]);
  if (task.demand == Demand::none) {
    for (int64_t block : residency_.end_step()) write(block, held_.at(block));
    return;
  }
  for (auto& [block, states] : write_through_[task.moe_layer]) write(block, states);
  write_through_[task.moe_layer].clear();
}

void ExpertStates::carry_out(const ExpertMoves& moves, int layer, TensorId signal) {
  std::map<int, Shared>& loaded = loaded_[signal];
  std::map<int64_t, int> slot_of;
  for (int slot : moves.slots) {
    const int64_t block = residency_.block(layer, slot);
    slot_of[block] = slot;
    if (const auto held = held_.find(block); held != held_.end()) loaded[slot] = held->second;
  }
  for (const ExpertMove& move : moves.moves) {
    if (!move.reads()) {
      const auto dropped = held_.find(move.block);
      if (move.kind == ExpertMove::Kind::kWriteAndDrop) write(move.block, dropped->second);
      held_.erase(dropped);
      continue;
    }
    const auto writing =
        std::find_if(writes_.begin(), writes_.end(), [&](const Write& w) { return w.block == move.block; });
    Shared states = writing != writes_.end() ? writing->states : make_states();
    if (writing == writes_.end()) {
      states->steps = stored_steps_[static_cast<size_t>(move.block)];
      reads_.emplace_back(store_->read(move.block, states->memory.data()), states);
    }
    loaded[slot_of.at(move.block)] = states;
    if (move.kind == ExpertMove::Kind::kReadAndKeep) held_[move.block] = states;
  }
  brought_[signal] = moves.slots;
}

void ExpertStates::write(int64_t block, const Shared& states) {
  end_writes_of(block);
  stored_steps_[static_cast<size_t>(block)] = states->steps;
  writes_.push_back({block, states, store_->write(block, states->memory.data())});
}

void ExpertStates::end_writes_of(int64_t block) {
  for (size_t i = 0; i < writes_.size(); ++i) {
    if (writes_[i].block != block) continue;
    store_->wait(writes_[i].ticket);
    writes_.erase(writes_.begin() + static_cast<std::ptrdiff_t>(i));
    return;
  }
}

bool ExpertStates::poll() {
  if (!store_) return true;
  std::erase_if(reads_, [&](const auto& read) { return store_->done(read.first); });
  std::erase_if(writes_, [&](const Write& write) { return store_->done(write.ticket); });
  return reads_.empty() && writes_.empty();
}

/// The states that a load brought for this task, or those that host memory holds anyway; nobody else reads or writes
/// their memory any more.
ExpertStates::Shared ExpertStates::find(const Task& task, int slot) {
  const int64_t block = residency_.block(task.moe_layer, slot);
  if (!store_) return held_.at(block);
  end_writes_of(block);
  return loaded_.at(load_before(task)).at(slot);
}

void ExpertStates::adamw(States& states, int64_t step, const float* const* gradients) {
  const Optimizer& o = plan_.workload.optimizer;
  const cpu::AdamW settings{o.learning_rate, o.beta1, o.beta2, o.epsilon, o.weight_decay};
  float* w = states.data();
  for (size_t p = 0; p < slot_elements_.size(); ++p) {
    const int64_t n = slot_elements_[p];
    cpu::adamw_update(w, gradients[p], w + n, w + 2 * n, n, settings, step + 1, true);
    w += kStatesPerWeight * n;
  }
}

/// AdamW moves every parameter in every step, those without a gradient too: the steps that an expert has slept through
/// follow when it wakes up, one by one, so that no bit differs from an expert that never slept.
void ExpertStates::catch_up(States& states, int64_t steps) {
  const float* none[] = {zeros_.data(), zeros_.data()};
  for (; states.steps < steps; ++states.steps)
    if (!skipped_.contains(states.steps)) adamw(states, states.steps, none);
}

std::vector<int> ExpertStates::slots_to_fetch(const Task& task, std::span<const int> active) {
  return store_ ? brought_.at(load_before(task)) : moves_of(task, active).slots;
}

void ExpertStates::fetch(const Task& task, std::span<const Operand> weights, int64_t step) {
  release_staging(false);
  const std::span<const int> slots = weights[FetchExperts::up].slots;  // as of down
  for (size_t row = 0; row < slots.size(); ++row) {
    const Shared states = find(task, slots[row]);
    catch_up(*states, step);
    const float* from = states->data();
    for (size_t p = 0; p < weights.size(); ++p) {
      const int64_t n = slot_elements_[p];
      const Bytes bytes = bytes_of(weights[p].dtype, n);
      copy_weights(task.lane, weights[p].as<std::byte>() + static_cast<Bytes>(row) * bytes, weights[p].dtype, from, n);
      moved_.to_device += bytes;
      from += kStatesPerWeight * n;
    }
  }
  if (store_) loaded_.erase(load_before(task));
}

/// By way of staging memory, since states change or leave host memory while the device still copies.
void ExpertStates::copy_weights(Lane lane, void* to, DType dtype, const float* from, int64_t elements) {
  const Bytes bytes = bytes_of(dtype, elements);
  if (backend_.runs_inline() && dtype == DType::f32) return backend_.copy(lane, to, from, bytes);
  void* staging = backend_.allocate_host(bytes);
  if (dtype == DType::bf16)
    cpu::round_to_bf16(from, static_cast<BFloat16*>(staging), elements);
  else
    std::memcpy(staging, from, static_cast<size_t>(bytes));
  backend_.copy(lane, to, staging, bytes);
  staged_.push_back({staging, backend_.record(lane)});
}

void ExpertStates::release_staging(bool all) {
  std::erase_if(staged_, [&](const Staged& staged) {
    while (!backend_.done(staged.copied)) {
      if (!all) return false;
    }
    backend_.release_host(staged.data);
    return true;
  });
}

void ExpertStates::for_each(int64_t steps, bool changes, const Visit& visit) {
  for (size_t layer = 0; layer < parameters_.size(); ++layer)
    for (int slot = 0; slot < graph_.placement[layer].slots_per_rank; ++slot) {
      const int64_t block = residency_.block(static_cast<int>(layer), slot);
      const auto held = held_.find(block);
      Shared states = held != held_.end() ? held->second : nullptr;
      if (!states) {
        states = make_states();
        end_writes_of(block);
        store_->wait(store_->read(block, states->memory.data()));
        states->steps = stored_steps_[static_cast<size_t>(block)];
      }
      catch_up(*states, steps);
      visit(static_cast<int>(layer), slot, states->data());
      if (!changes) continue;
      states->steps = steps;
      if (store_) write(block, states), end_writes_of(block);
    }
}

MovedBytes ExpertStates::moved() const {
  MovedBytes moved = moved_;
  if (store_) {
    moved.storage_read = store_->traffic().bytes_read;
    moved.storage_written = store_->traffic().bytes_written - initial_writes_;
  }
  return moved;
}

void ExpertStates::drain(const Task& task, std::span<const Operand> gradients) {
  drain_.moe_layer = task.moe_layer;
  const std::span<const int> slots = gradients[DrainGradients::d_up].slots;  // as of d_down
  for (size_t row = 0; row < slots.size(); ++row)
    for (size_t p = 0; p < slot_elements_.size(); ++p) {
      const DType dtype = gradients[p].dtype;
      const Bytes bytes = bytes_of(dtype, slot_elements_[p]);
      const void* data = gradients[p].as<std::byte>() + static_cast<Bytes>(row) * bytes;
      moved_.from_device += bytes;
      if (!backend_.runs_inline()) {
        drain_.staging.push_back(backend_.allocate_host(bytes));
        backend_.copy(task.lane, drain_.staging.back(), data, bytes);
        data = drain_.staging.back();
      }
      drain_.parts.push_back({slots[row], p, data, dtype});
    }
  drain_.copied = backend_.record(task.lane);
}

bool ExpertStates::finish_drain() {
  if (!backend_.done(drain_.copied)) return false;
  for (const Drained& part : drain_.parts) {
    float* sum = gradient_sums(drain_.moe_layer, part.slot).data() + (part.parameter == 0 ? 0 : slot_elements_[0]);
    const int64_t n = slot_elements_[part.parameter];
    if (part.dtype == DType::bf16)
      for (int64_t i = 0; i < n; ++i) sum[i] += to_float(static_cast<const BFloat16*>(part.data)[i]);
    else
      for (int64_t i = 0; i < n; ++i) sum[i] += static_cast<const float*>(part.data)[i];
  }
  for (void* staging : drain_.staging) backend_.release_host(staging);
  drain_ = {};
  return true;
}

/// Of a slot, both parameters.
std::vector<float>& ExpertStates::gradient_sums(int moe_layer, int slot) {
  auto [entry, fresh] = gradients_[moe_layer].try_emplace(slot);
  if (fresh) {
    entry->second.resize(static_cast<size_t>(slot_elements_[0] + slot_elements_[1]), 0.0f);
    host_bytes_ += static_cast<Bytes>(entry->second.size() * sizeof(float));
    peak_host_bytes_ = std::max(peak_host_bytes_, host_bytes_);
  }
  return entry->second;
}

int ExpertStates::find_non_finite() const {
  for (const auto& [layer, slots] : gradients_)
    for (const auto& [slot, sums] : slots) {
      const int64_t at = cpu::find_non_finite_square(sums.data(), static_cast<int64_t>(sums.size()));
      if (at >= 0) return parameters_[static_cast<size_t>(layer)][at < slot_elements_[0] ? 0 : 1];
    }
  return -1;
}

void ExpertStates::update(const Task& task, std::span<const int> active, int64_t step) {
  std::map<int, std::vector<float>>& gradients = gradients_[task.moe_layer];
  std::vector<int> changed;
  for (int slot : active) {
    const Shared states = find(task, slot);
    catch_up(*states, step);
    if (skipped_.contains(step)) continue;
    const float* sums[] = {gradients.at(slot).data(), gradients.at(slot).data() + slot_elements_[0]};
    adamw(*states, step, sums);
    states->steps = step + 1;
    changed.push_back(slot);
  }
  for (int64_t block : residency_.updated(task.moe_layer, changed))
    for (int slot : changed)
      if (residency_.block(task.moe_layer, slot) == block)
        write_through_[task.moe_layer].emplace_back(block, find(task, slot));
  for (const auto& [slot, sum] : gradients) host_bytes_ -= static_cast<Bytes>(sum.size() * sizeof(float));
  gradients.clear();
  if (store_) loaded_.erase(load_before(task));
}

}  // namespace moesaic::executor
