#pragma once
// Runs the task graph of one rank, step by step: each lane takes its tasks in program order, collectives progress
// between operators. A device takes operators ahead of time, as far as nothing has to be known on the host first. It
// does not know what the tensors mean; data and results are the trainer's.

#include <functional>
#include <memory>
#include <vector>

#include "core/timeline/timeline.h"
#include "executor/backend/backend.h"
#include "executor/runtime/lanes/busy_time.h"
#include "executor/runtime/lanes/collectives.h"
#include "executor/runtime/lanes/task_order.h"
#include "executor/runtime/lanes/update_gate.h"
#include "executor/runtime/lanes/watch.h"
#include "executor/runtime/residency/expert_states.h"
#include "executor/runtime/residency/tensor_store.h"

namespace moesaic::executor {

struct StepRecord {
  Seconds seconds = 0;          // of this rank
  Seconds lost = 0;             // of them: there was work, and the core did other work; 0 where not measures_lost()
  std::vector<TaskTime> times;  // [tasks]
  std::vector<MemorySample> memory;
  bool captured = false;  // forward and backward ran as a graph: no times, no samples of memory and no expert rows
  std::vector<int64_t>
      expert_rows;  // [micro_batches, num_moe_layers, num_experts]: rows that this rank's tokens sent, after dropping
};

struct RankStepOptions {
  ExpertStates* experts = nullptr;  // null: they live on the device
  UpdateGate* gate = nullptr;       // null: every step changes what its tasks change
  MakeDeviceGroups device_groups;   // of devices with memory of their own; empty: staged through host memory
  bool capture = false;  // from the second step on the tasks before the gate are a graph of the device, if it
                         // has such; every step does the same at the same addresses
};

class RankStep {
 public:
  /// All that is handed in must outlive it.
  RankStep(const TaskGraph& graph, const Plan& plan, int rank, Backend& backend, Transport& transport,
           TensorStore& tensors, const RankStepOptions& options = {});

  ~RankStep();
  RankStep(const RankStep&) = delete;
  RankStep& operator=(const RankStep&) = delete;

  bool measures_lost() const { return busy_.measures(); }
  /// Steps use its sequence numbers below kControlPerStep * steps; results come after them.
  Communicator& control() { return collectives_.control(); }
  static constexpr int64_t kControlPerStep = 3;
  /// Behind the step's end, for one operation of whoever runs it.
  static constexpr int64_t owners_control(int64_t step) { return kControlPerStep * step + 2; }

  /// Runs step number `step` (from 0) between two barriers. `watch` counts the waits for other ranks.
  StepRecord run(int64_t step, Watch& watch);

 private:
  struct Network {  // the collective in flight
    TaskIndex task = -1;
    std::unique_ptr<Operation> operation;
    Seconds start = 0;
  };

  void start_captured();
  void finish_capture();
  bool start_network();
  bool finish_network();
  bool advance_storage();
  bool append_next();
  bool finish_drain();
  bool bind_arrived_counts();
  void open_windows(const Task& task);
  bool move_experts(TaskIndex index);
  std::vector<int> active_slots(const Task& task) const;
  bool acts_on_host(TaskIndex task) const;
  void appended(TaskIndex task);
  void ended(TaskIndex task, Seconds start);
  void left(TaskIndex task);
  void start_counts();
  bool brings_counts(const Task& task) const;
  void fetch_counts(TaskIndex task);
  void bind_counts(const Task& task, const int32_t* counts);
  void bind_used_slots(int microbatch, int moe_layer, const int32_t* counts, int ranks, int64_t stride);
  /// Where counts_ and used_slots_ have those of a MoE layer in a microbatch.
  size_t key_of(int microbatch, int moe_layer) const {
    return static_cast<size_t>(microbatch) * graph_.placement.size() + static_cast<size_t>(moe_layer);
  }
  std::span<const SlotCounts> counts_of(const Task& task) const;
  void finish_record();

  const TaskGraph& graph_;
  const Plan& plan_;
  Backend& backend_;
  StepContext context_;
  TensorStore& tensors_;
  Collectives collectives_;
  ExpertStates* const experts_;
  UpdateGate* const gate_;
  const TaskIndex gate_task_;
  TaskOrder order_;
  std::vector<std::vector<SlotCounts>> counts_;  // [micro_batches * num_moe_layers][chunks]
  std::vector<std::vector<bool>> used_slots_;    // [micro_batches * num_moe_layers][slots]: by any replica's tokens
  std::vector<Operand> reads_, writes_, network_reads_, network_writes_;
  BusyTime busy_;
  Network network_;
  TaskIndex storage_ = -1;  // the task of the storage lane in flight
  Seconds storage_start_ = 0;
  TaskIndex draining_ = -1;  // a drain whose copies are in flight
  struct CountsInFlight {    // from the device
    TaskIndex task;
    int32_t* host;
    Event arrived;
  };
  std::vector<CountsInFlight> arriving_;
  enum class Capture { off, after_this_step, now, running, done } capture_;
  Bytes resident_bytes_ = 0;  // what lives between steps
  StepRecord record_;
  std::vector<std::pair<TaskIndex, Bytes>> live_bytes_;  // as each task left, in that order
};

}  // namespace moesaic::executor
