#pragma once
// Whether a training step counts: only if the losses and gradients of all ranks are finite. The verdict travels in the
// sum of the losses, which a NaN poisons everywhere; it does not know what happens to a step that does not count.

#include <string>
#include <vector>

#include "executor/comm/communicator.h"
#include "executor/runtime/lanes/update_gate.h"
#include "executor/runtime/lanes/watch.h"
#include "executor/runtime/residency/expert_states.h"
#include "executor/runtime/residency/tensor_store.h"

namespace moesaic::executor {

class StepVerdict final : public UpdateGate {
 public:
  /// `experts`: null where their states live on the device.
  StepVerdict(const TaskGraph& graph, int rank, TensorStore& tensors, ExpertStates* experts);

  /// The sum of the losses, or the first update of a rank alone (core/technique/agree_on_update.h).
  TaskIndex task() const override { return task_; }
  /// Adds NaN to this rank's loss unless that and all gradients are finite: what ranks share of them has been summed;
  /// under ZeRO each rank looks at its share.
  void before_task() override;
  /// After the sum: the same on all ranks. Expert states outside the device learn of it.
  bool skips(int64_t step) override;

  /// Of the last step that came to its end.
  bool skipped() const { return skipped_; }
  /// Which rank found what in a step that all skip. Collective.
  std::string reason(Communicator& control, int64_t sequence, Watch& watch) const;

 private:
  struct Gradient {  // what one update reads
    TensorId tensor;
    int parameter, group;  // one of the two is -1
  };

  Gradient described(TensorId gradient, TensorId weight) const;
  int parameter_at(const Gradient& gradient, int64_t element) const;

  const TaskGraph& graph_;
  const int rank_;
  TensorStore& tensors_;
  ExpertStates* const experts_;
  TaskIndex task_ = -1;
  std::vector<Gradient> gradients_;
  int found_;  // by this rank in this step: a parameter, or one of the kinds in the .cpp
  bool skipped_ = false;
};

}  // namespace moesaic::executor
