#pragma once
// Runs the task graph of one rank, step by step: each lane takes its tasks in program order, collectives progress
// between operators. It does not know what the tensors mean; data and results are the trainer's.

#include <functional>
#include <memory>
#include <vector>

#include "core/timeline/timeline.h"
#include "executor/backend/backend.h"
#include "executor/runtime/collectives.h"
#include "executor/runtime/expert_states.h"
#include "executor/runtime/step_verdict.h"
#include "executor/runtime/tensor_store.h"
#include "executor/runtime/watch.h"

namespace moesaic::executor {

struct StepRecord {
  Seconds seconds = 0;          // of this rank
  std::vector<TaskTime> times;  // [tasks]
  std::vector<MemorySample> memory;
  std::string skipped_because;  // not "": the step did not count, for no rank
  std::vector<int64_t>
      expert_rows;  // [micro_batches, num_moe_layers, num_experts]: rows that this rank's tokens sent, after dropping
};

class RankStep {
 public:
  /// `storage_folder`: for expert states whose home is storage; "": the system's temporary folder.
  RankStep(const TaskGraph& graph, const Plan& plan, int rank, Backend& backend, Transport& transport,
           const std::string& storage_folder = "");

  TensorStore& tensors() { return tensors_; }
  ExpertStates* experts() { return experts_.get(); }  // null: they live on the device
  /// Steps use its sequence numbers below kControlPerStep * step; results come after them.
  Communicator& control() { return collectives_.control(); }
  static constexpr int64_t kControlPerStep = 3;

  /// Runs step number `step` (from 0) between two barriers. `watch` counts the waits for other ranks.
  StepRecord run(int64_t step, Watch& watch);

 private:
  struct Network {  // the collective in flight
    TaskIndex task = -1;
    std::unique_ptr<Operation> operation;
    Seconds start = 0;
  };

  bool start_network();
  bool finish_network();
  bool advance_storage();
  bool run_inline();
  void open_windows(const Task& task);
  void move_experts(const Task& task);
  std::vector<int> active_slots(const Task& task) const;
  bool ready(TaskIndex task) const { return blockers_[static_cast<size_t>(task)] == 0; }
  TaskIndex head(Lane lane) const;
  void complete(TaskIndex task, Seconds start);
  void agree();
  void start_counts();
  void bind_counts(const Task& task);
  void bind_used_slots(const Task& task, const int32_t* counts, bool padded);
  std::span<const SlotCounts> counts_of(const Task& task) const;

  const TaskGraph& graph_;
  const Plan& plan_;
  Backend& backend_;
  StepContext context_;
  TensorStore tensors_;
  Collectives collectives_;
  std::unique_ptr<ExpertStates> experts_;
  StepVerdict verdict_;
  std::vector<std::vector<TaskIndex>> lanes_;       // [lanes]: program order
  std::vector<std::vector<TaskIndex>> successors_;  // [tasks]
  std::vector<int> initial_blockers_, blockers_;    // [tasks]: dependencies not yet complete
  std::vector<size_t> next_;                        // [lanes]
  std::vector<std::vector<SlotCounts>> counts_;     // [micro_batches * num_moe_layers][chunks]
  std::vector<std::vector<bool>> used_slots_;       // [micro_batches * num_moe_layers][slots]: by any replica's tokens
  std::vector<Operand> reads_, writes_, network_reads_, network_writes_;
  Network network_;
  TaskIndex storage_ = -1;  // the task of the storage lane in flight
  Seconds storage_start_ = 0;
  StepRecord record_;
  size_t remaining_ = 0;
};

}  // namespace moesaic::executor
