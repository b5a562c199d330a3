#pragma once
// The loss on text that is not trained on: the forward pass of the step, with the weights and expert states of
// training. It changes none of them. When it is due, and what becomes of the loss, is the trainer's.

#include "executor/runtime/training/corpus.h"
#include "executor/runtime/training/training_step.h"

namespace moesaic::executor {

struct ValidationPolicy {
  const Corpus* corpus = nullptr;  // null: no validation
  int64_t every = 10;              // steps; once more after the last
  int64_t batches = 4;             // global batches, the same each time: those of the first steps on this corpus

  bool is_due(int64_t steps_done, int64_t steps) const {
    return corpus != nullptr && (steps_done % every == 0 || steps_done == steps);
  }
};

class Validation {
 public:
  /// `step`, whose tensors and experts it uses, must outlive it. `first_communicator`: of Collectives::numbers_of().
  Validation(const Plan& plan, int rank, Backend& backend, Transport& transport, TrainingStep& step,
             const MakeDeviceGroups& device_groups, int first_communicator);

  /// Between steps: the mean cross-entropy after so many of them, without the auxiliary loss; alike on all ranks.
  double loss(int64_t steps_done, const ValidationPolicy& policy, Watch& watch);

 private:
  const Plan& plan_;
  const int rank_;
  const TaskGraph graph_;
  TensorStore tensors_;
  RankStep step_;
};

}  // namespace moesaic::executor
