#pragma once
// Runs the task graph of one rank, step by step: each lane takes its tasks in program order, collectives progress
// between operators. It does not know what the tensors mean; data and results are its owner's.

#include "executor/runtime/lanes/device_lanes.h"
#include "executor/runtime/lanes/network_lane.h"
#include "executor/runtime/lanes/storage_lane.h"

namespace moesaic::executor {

class RankStep {
 public:
  /// All that is handed in must outlive it.
  RankStep(const TaskGraph& graph, const Plan& plan, int rank, Backend& backend, Transport& transport,
           TensorStore& tensors, const RankStepOptions& options = {});
  RankStep(const RankStep&) = delete;
  RankStep& operator=(const RankStep&) = delete;

  bool measures_lost() const { return state_.busy.measures(); }
  /// Of its sequence numbers those from free_control() on are free, once no step runs any more.
  Communicator& control() { return collectives_.control(); }
  int64_t free_control() const { return kControlPerStep * state_.context.run; }
  /// Of the step that has just run, for one operation of whoever runs it.
  int64_t owners_control() const { return free_control() - 1; }

  /// Runs step number `step` (from 0) between two barriers. `watch` counts the waits for other ranks.
  StepRecord run(int64_t step, Watch& watch);

 private:
  static constexpr int64_t kControlPerStep = 3;  // start, end, the owner's

  void start(int64_t step, Watch& watch);
  void replay_captured();
  bool progress();
  void idle(Watch& watch);
  StepRecord finish(Seconds start);

  StepState state_;
  Collectives collectives_;
  TaskEnds ends_;
  NetworkLane network_;
  StorageLane storage_;
  ExpertTransfers transfers_;
  DeviceLanes device_;
};

}  // namespace moesaic::executor
