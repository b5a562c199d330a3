#pragma once
// The expert states of one rank whose home is host memory or storage: weights and moments, moved and updated as the
// transfer tasks of its graph say. What is moved, core/policy decides; when, the graph and the runtime do.

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/policy/expert_residency.h"
#include "core/policy/moved_bytes.h"
#include "executor/runtime/residency/expert_blocks.h"
#include "executor/runtime/residency/gradient_sums.h"
#include "executor/runtime/residency/host_adamw.h"
#include "executor/runtime/residency/staging.h"

namespace moesaic::executor {

class ExpertStates {
 public:
  /// Writes the initial values of a piece of a logical tensor to `local` + the piece's local offset.
  using FillWeights = std::function<void(const Piece& piece, float* local)>;

  /// Weights as `fill` has them, zero moments. Storage is a file in `folder` that ends with this object.
  ExpertStates(const TaskGraph& graph, const Plan& plan, int rank, Backend& backend, const std::string& folder,
               const FillWeights& fill);
  ExpertStates(const ExpertStates&) = delete;
  ExpertStates& operator=(const ExpertStates&) = delete;

  /// Begins a task of the storage lane: load_experts or store_experts. active: the slots that its demand is about.
  void start(const Task& task, std::span<const int> active);
  /// True once what was started has ended. Never blocks.
  bool poll() { return blocks_.poll(); }

  /// The slots that a fetch is about to bring to the device. active: as above. To be asked once.
  std::vector<int> slots_to_fetch(const Task& task, std::span<const int> active);
  /// Appends copies to the task's lane. `weights`: up, down, as windows.
  void fetch(const Task& task, std::span<const Operand> weights, int64_t step);
  /// The same from the device, `gradients` as above; finish_drain() adds what has arrived, true once it has.
  void drain(const Task& task, std::span<const Operand> gradients);
  bool finish_drain() { return from_device_.finish(gradients_); }
  /// Done at once. active: as above. `gradient_scale`: of the drained gradients.
  void update(const Task& task, std::span<const int> active, int64_t step, float gradient_scale);

  /// A parameter of the layer of which a gradient drained in this step has no finite square, as index into
  /// TaskGraph::parameters; -1: none. `squares`, where given, gains those of drained gradients, each expert's once over
  /// all ranks, unless there is such a one.
  int find_non_finite(int moe_layer, ExactSquares* squares) const;
  /// From now on that step counts as not taken: nobody catches it up.
  void skip(int64_t step) { adamw_.skip(step); }

  const SlotLayout& layout() const { return layout_; }
  using Visit = std::function<void(int moe_layer, int slot, float* states)>;
  /// Between steps: shows the states of every slot as of `steps` steps (slot_states.h). What `visit` changes is kept
  /// where `changes` says so.
  void for_each(int64_t steps, bool changes, const Visit& visit);

  Bytes peak_host_bytes() const { return host_.peak(); }
  Bytes storage_bytes() const { return blocks_.storage_bytes(); }
  /// By tasks, since the first step.
  MovedBytes moved() const;

 private:
  void initialise(int rank, const FillWeights& fill);
  void count_slots(int rank);
  void fill_slot(int layer, int slot, int rank, const FillWeights& fill, float* states) const;
  ExpertMoves moves_of(const Task& task, std::span<const int> active);
  void load(const Task& task, std::span<const int> active);
  SharedStates find(const Task& task, int slot);
  void forget_load_of(const Task& task);

  const TaskGraph& graph_;
  const std::vector<std::vector<int>> parameters_;  // [num_moe_layers][parameters]: up, down
  const SlotLayout layout_;
  ExpertResidency residency_;
  PeakBytes host_;
  ExpertBlocks blocks_;  // outlives all states
  HostAdamW adamw_;
  GradientSums gradients_;
  std::set<GradientSums::MoeSlot> counted_;  // slots whose gradients no other rank or slot counts
  WeightsToDevice to_device_;
  GradientsFromDevice from_device_;
  std::map<TensorId, ExpertBlocks::Brought> loaded_;  // by the signal of the load
  std::map<TensorId, std::vector<int>> brought_;      // by the signal of the load: slots
  MovedBytes moved_;                                  // to and from the device
};

}  // namespace moesaic::executor
