#pragma once
// Whether a training step counts: only if the losses and gradients of all ranks are finite; and, where the plan clips
// gradients, their global norm, from the same look. Both travel in the sum of the losses, which a NaN poisons
// everywhere. It does not know what happens to a step that does not count.

#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/graph/holdings.h"
#include "executor/comm/communicator.h"
#include "executor/runtime/lanes/update_gate.h"
#include "executor/runtime/lanes/watch.h"
#include "executor/runtime/residency/expert_states.h"
#include "executor/runtime/residency/tensor_store.h"

namespace moesaic::executor {

class StepVerdict final : public UpdateGate {
 public:
  /// `experts`: null where their states live on the device.
  StepVerdict(const TaskGraph& graph, const Optimizer& optimizer, int rank, TensorStore& tensors,
              ExpertStates* experts);

  void start_step() override;
  /// Looks for gradients without a finite square: what ranks share of them has been summed; under ZeRO each rank looks
  /// at its share. Where gradients are clipped it sums the squares of those that this rank counts.
  void check(TaskIndex task) override;
  /// The sum of the losses, or the first update of a rank alone (core/technique/agree_on_update.h).
  TaskIndex task() const override { return task_; }
  /// Adds NaN to this rank's loss unless that and all gradients are finite; the sum of squares goes with it.
  void before_task() override;
  /// After the sum: the same on all ranks. Expert states outside the device learn of a step that does not count.
  UpdateDecision decide(int64_t step) override;

  /// Of the last step that came to its end.
  bool skipped() const { return skipped_; }
  /// The global norm of its gradients before they were clipped: every element of every parameter once, whoever holds
  /// it, in an exact sum. NaN where the step was skipped or the plan does not clip.
  double gradient_norm() const { return gradient_norm_; }
  /// Which rank found what in a step that all skip. Collective.
  std::string reason(Communicator& control, int64_t sequence, Watch& watch) const;

 private:
  struct Gradient {  // what an update reads
    TensorId tensor;
    int parameter, group;        // one of the two is -1
    int64_t begin = 0, end = 0;  // elements of it
  };

  struct Check {
    std::vector<Gradient> all;      // at which it looks
    std::vector<Gradient> counted;  // stretches of them whose elements no other rank or slot counts
    std::vector<Gradient> partial;  // those of which some are not counted
  };

  Gradient described(TensorId gradient, TensorId weight) const;
  void add(const Gradient& gradient, TensorId moments, const std::vector<Holding>& holdings, Check& to) const;
  int look(const Check& check, ExactSquares* squares);
  int find_non_finite(std::span<const Gradient> gradients, ExactSquares* squares);
  int parameter_at(const Gradient& gradient, int64_t element) const;

  const TaskGraph& graph_;
  const Optimizer& optimizer_;
  const int rank_;
  TensorStore& tensors_;
  ExpertStates* const experts_;
  TaskIndex task_ = -1;
  std::map<TaskIndex, Check> checks_;  // of gradients on the device
  int found_;                          // by this rank in this step: a parameter, or one of the kinds in the .cpp
  ExactSquares squares_;               // of this step
  bool skipped_ = false;
  double gradient_norm_ = std::numeric_limits<double>::quiet_NaN();
};

}  // namespace moesaic::executor
