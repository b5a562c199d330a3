#pragma once
// Gathers at the end of a run what its ranks ran on, and what other work took from them.

#include <vector>

#include "executor/machine/disturbance.h"
#include "executor/runtime/training/gather.h"
#include "executor/runtime/training/step_history.h"
#include "executor/runtime/training/train_result.h"

namespace moesaic::executor {

/// Of one rank.
struct RankMachine {
  Processor processor;
  bool measures_lost = false;  // the steps' `lost` means something
  double lost_share = 0;       // StepHistory's
  Disturbance between;         // first and last step, the first left out where there are more
};

/// Fills the processors and the disturbance of `result`, alike on all ranks. `steps`: those that are remembered.
void collect_machine(const RankMachine& own, const std::vector<TrainedStep>& steps, Gather& gather,
                     TrainResult& result);

}  // namespace moesaic::executor
