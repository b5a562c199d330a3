#pragma once
// The expert states of one rank whose home is host memory or storage: weights and moments, moved and updated as the
// transfer tasks of its graph say. What is moved, core/policy decides; when, the graph and the runtime do.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/policy/expert_residency.h"
#include "core/policy/moved_bytes.h"
#include "executor/backend/backend.h"
#include "executor/store/aligned_buffer.h"
#include "executor/store/block_store.h"

namespace moesaic::executor {

class ExpertStates {
 public:
  /// Writes the initial values of a piece of a logical tensor to `local` + the piece's local offset.
  using FillWeights = std::function<void(const Piece& piece, float* local)>;

  /// Weights as `fill` has them, zero moments. Storage is a file in `folder` that ends with this object.
  ExpertStates(const TaskGraph& graph, const Plan& plan, int rank, Backend& backend, const std::string& folder,
               const FillWeights& fill);
  ~ExpertStates();
  ExpertStates(const ExpertStates&) = delete;
  ExpertStates& operator=(const ExpertStates&) = delete;

  /// Begins a task of the storage lane: load_experts or store_experts. active: the slots that its demand is about.
  void start(const Task& task, std::span<const int> active);
  /// True once what was started has ended. Never blocks.
  bool poll();

  /// The slots that a fetch is about to bring to the device. active: as above. To be asked once.
  std::vector<int> slots_to_fetch(const Task& task, std::span<const int> active);
  /// Appends copies to the task's lane. `weights`: up, down, as windows.
  void fetch(const Task& task, std::span<const Operand> weights, int64_t step);
  /// The same from the device, `gradients` as above; finish_drain() adds what has arrived, true once it has.
  void drain(const Task& task, std::span<const Operand> gradients);
  bool finish_drain();
  /// Done at once. active: as above.
  void update(const Task& task, std::span<const int> active, int64_t step);

  /// A parameter of which a gradient drained in this step has no finite square, as index into TaskGraph::parameters;
  /// -1: none.
  int find_non_finite() const;

  /// From now on that step counts as not taken: nobody catches it up.
  void skip(int64_t step) { skipped_.insert(step); }

  using Visit = std::function<void(int moe_layer, int slot, float* states)>;
  /// Between steps: shows the states of every slot as of `steps` steps, up and down as [weights, first, second moments]
  /// each. What `visit` changes is kept where `changes` says so.
  void for_each(int64_t steps, bool changes, const Visit& visit);

  Bytes host_bytes() const { return host_bytes_; }
  Bytes peak_host_bytes() const { return peak_host_bytes_; }
  Bytes storage_bytes() const { return store_ ? store_->num_blocks() * store_->block_bytes() : 0; }
  /// By tasks, since the first step.
  MovedBytes moved() const;

 private:
  struct States {
    AlignedBuffer memory;
    int64_t steps = 0;  // how many are applied
    float* data() const { return reinterpret_cast<float*>(memory.data()); }
  };
  using Shared = std::shared_ptr<States>;
  struct Write {
    int64_t block;
    Shared states;  // until it has ended
    Ticket ticket;
  };

  struct Drained {  // gradients of one parameter of a slot, on the host when `copied` has passed
    int slot;
    size_t parameter;
    const void* data;
    DType dtype;
  };
  struct Drain {
    int moe_layer = -1;
    std::vector<Drained> parts;
    std::vector<void*> staging;
    Event copied = 0;
  };
  struct Staged {
    void* data;
    Event copied;
  };

  void initialise(int rank, const FillWeights& fill);
  void copy_weights(Lane lane, void* to, DType dtype, const float* from, int64_t elements);
  void release_staging(bool all);
  std::vector<float>& gradient_sums(int moe_layer, int slot);
  Shared make_states();
  void carry_out(const ExpertMoves& moves, int layer, TensorId signal);
  void write(int64_t block, const Shared& states);
  void end_writes_of(int64_t block);
  bool end_writes();
  Shared find(const Task& task, int slot);
  void catch_up(States& states, int64_t steps);
  void adamw(States& states, int64_t step, const float* const* gradients);
  ExpertMoves moves_of(const Task& task, std::span<const int> active);

  const TaskGraph& graph_;
  const Plan& plan_;
  Backend& backend_;
  std::vector<std::vector<int>> parameters_;  // [num_moe_layers][2]: up, down
  std::vector<int64_t> slot_elements_;        // [2]: of one slot
  std::vector<float> zeros_;                  // a gradient of nothing
  ExpertResidency residency_;
  std::unique_ptr<AlignedPool> memory_;  // outlives all states and what storage still moves
  std::unique_ptr<BlockStore> store_;
  std::vector<int64_t> stored_steps_;                           // [blocks]: steps applied to what storage holds
  std::map<int64_t, Shared> held_;                              // blocks in host memory from task to task
  std::map<TensorId, std::map<int, Shared>> loaded_;            // by the signal of the load: slot -> states
  std::map<TensorId, std::vector<int>> brought_;                // by the signal of the load: slots
  std::map<int, std::map<int, std::vector<float>>> gradients_;  // MoE layer -> slot -> both parameters, of this step
  std::map<int, std::vector<std::pair<int64_t, Shared>>> write_through_;  // MoE layer -> updated outside the cache
  std::vector<std::pair<Ticket, Shared>> reads_;
  std::vector<Write> writes_;
  std::vector<Staged> staged_;  // on their way to the device
  Drain drain_;                 // in flight
  std::set<int64_t> skipped_;
  MovedBytes moved_;
  int64_t initial_writes_ = 0;  // bytes
  Bytes host_bytes_ = 0, peak_host_bytes_ = 0;
};

}  // namespace moesaic::executor
