#pragma once
// What a training job reports, as a document: losses, times, the timeline of the median step, the routing that the live
// router chose.

#include <nlohmann/json_fwd.hpp>

#include "executor/runtime/training/corpus.h"
#include "executor/runtime/training/train_result.h"

namespace moesaic::executor {

/// kind moesaic.result/1 with the keys of `moesaic execute --json`, and `timeline`, `timeline_step`, `routing`,
/// `processors` (name, instruction set, and how many ranks ran on such), `disturbance` (core/timeline/disturbance.h),
/// `plan_hash`, `bigram_entropy` (nats per byte of the corpus, given the byte before; absent where tokens are no
/// bytes), `first_step` (steps that were done before, in the run that was resumed), `rejected_checkpoint_files`,
/// `skipped_steps` (numbers from 1 of those without a finite loss and gradients, which no rank took; their `loss` and
/// `cross_entropy` are null), `learning_rate` and, where gradients are clipped, `gradient_norm` of each step (before
/// clipping; null where skipped), `validation`, where there is any (`step`, after how many steps, and `loss`, the
/// cross-entropy on held-out text), `captured` (whether forward and backward ran as a graph from the second step on:
/// `timeline` then shows updates only, with the memory at their ends, and `routing` the first step). A run of more than
/// StepHistory::kKept steps has series (`loss`, `cross_entropy`, `all_step_seconds`, by_step, `routing`) of some of
/// them, `timeline_step` counts those, `skipped_steps` are the first as many, and `sample` says: `steps` (their numbers
/// from 1 of the whole run), `num_skipped`, `step_statistics` [[rank, count, mean, median, least, most]] in seconds of
/// all steps, `task_statistics` [[rank, task, ...]] the same of each task, `median_error` (relative, of those medians),
/// and `stream` (the file beside this document with the losses of all steps). Of a run that was complete before: those
/// of them that need no step.
Json write_result(const Plan& plan, const TrainResult& result, const Corpus& corpus, const std::string& device);

}  // namespace moesaic::executor
