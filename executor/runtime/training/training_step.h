#pragma once
// One training step of one rank: its memory and expert states, the verdict whether a step counts, and the tasks. What
// it trains on, and what becomes of its results, is the trainer's.

#include <memory>
#include <string>

#include "executor/runtime/lanes/rank_step.h"
#include "executor/runtime/training/step_verdict.h"

namespace moesaic::executor {

struct TrainingStepOptions {
  std::string storage_folder;      // for expert states whose home is storage; "": the system's temporary folder
  MakeDeviceGroups device_groups;  // of devices with memory of their own; empty: staged through host memory
  bool capture = false;            // forward and backward as a graph of the device, if it has such; the plan captures()
  RoutingForm record = RoutingForm::counts_by_source;
};

class TrainingStep {
 public:
  /// The expert states outside the device have their initial weights; those on the device are undefined.
  TrainingStep(const TaskGraph& graph, const Plan& plan, int rank, Backend& backend, Transport& transport,
               const TrainingStepOptions& options = {});

  TensorStore& tensors() { return tensors_; }
  ExpertStates* experts() { return experts_.get(); }  // null: they live on the device
  /// After the last step its sequence numbers from free_control() on are free.
  Communicator& control() { return step_.control(); }
  int64_t free_control() const { return step_.free_control(); }
  bool measures_lost() const { return step_.measures_lost(); }

  /// As RankStep::run().
  StepRecord run(int64_t step, Watch& watch);
  /// Not "": the last step did not count, for no rank.
  const std::string& skipped_because() const { return skipped_because_; }
  /// Of the last step, as StepVerdict::gradient_norm().
  double gradient_norm() const { return verdict_.gradient_norm(); }

 private:
  TensorStore tensors_;
  const std::unique_ptr<ExpertStates> experts_;
  StepVerdict verdict_;
  RankStep step_;
  std::string skipped_because_;
};

}  // namespace moesaic::executor
