#pragma once
// What a training job did, as its ranks have measured it.

#include <optional>
#include <string>
#include <vector>

#include "core/policy/moved_bytes.h"
#include "core/timeline/disturbance.h"
#include "core/timeline/timeline.h"
#include "executor/runtime/training/checkpoint.h"
#include "executor/runtime/training/duration_statistics.h"

namespace moesaic::executor {

/// What ranks run on: a CPU with its vector instructions, or a GPU.
struct Processor {
  std::string name, instruction_set;  // "": unknown, or none
  int ranks = 1;                      // that run on such
};

struct MemoryUse {
  Bytes device_bytes = 0;                   // peak of the largest rank
  Bytes host_bytes = 0, storage_bytes = 0;  // of the largest rank: expert states and gradients outside the device
  MovedBytes expert_bytes;                  // that moved between the tiers, of all ranks together
};

/// Of all steps of one rank.
struct StepStatistics {
  int rank = 0;
  DurationFigures seconds;
};

/// Of one task of one rank, over the steps in which it ran.
struct TaskStatistics {
  int rank = 0;
  TaskIndex task = 0;
  DurationFigures seconds;
};

/// What a run that is too long to remember all of it has instead; nothing of a shorter one.
struct LongRun {
  std::vector<StepStatistics> steps;  // [ranks]
  std::vector<TaskStatistics> tasks;
  std::string stream;  // file with the losses of all steps (step_stream.h); "": none
};

/// On text that is not trained on.
struct ValidationLoss {
  int64_t steps_done = 0;
  double cross_entropy = 0;  // without the auxiliary loss
  bool operator==(const ValidationLoss&) const = default;
};

/// What a job did; complete on rank 0, own values elsewhere. A run that was complete already has no steps, and then no
/// timeline and no routing.
struct TrainResult {
  ResumePoint start;
  int64_t num_steps = 0;       // from start.step on
  std::vector<int64_t> steps;  // from 0, of the whole run: those that are remembered (StepHistory), [steps] below
  std::vector<double> loss;    // [steps]: cross-entropy + auxiliary, before the step's update; NaN: skipped
  int64_t num_skipped = 0;     // a loss or gradient was not finite, no rank updated
  std::vector<int64_t> skipped_steps;  // from 0, of the whole run: the first StepHistory::kKept of them
  std::vector<double> cross_entropy;   // [steps]
  std::vector<double> learning_rate;   // [steps]
  std::vector<double> gradient_norm;   // [steps]: of all gradients, before clipping; NaN: skipped; empty: no clipping
  std::vector<ValidationLoss> validation;
  std::vector<Seconds> step_seconds;  // [steps]: of the slowest rank
  std::optional<LongRun> long_run;
  std::vector<Processor> processors;  // that the ranks ran on, in the order of their first rank
  RunDisturbance disturbance;
  MemoryUse memory;
  bool captured = false;      // of such steps the timeline has the updates only, and the routing nothing
  int64_t timeline_step = 0;  // which of these steps the timeline shows
  Timeline timeline;          // of the step with the median duration, the first step left out where there are more
  RoutingDocument routing;    // recorded: [steps not captured * micro_batches, num_moe_layers, ranks, num_experts], and
                              // where asked for what every token chose
};

}  // namespace moesaic::executor
