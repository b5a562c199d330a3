#pragma once
// Gathers at the end of a run what every rank of a job measured. It runs no step.

#include <utility>
#include <vector>

#include "core/graph/stages.h"
#include "core/technique/lower.h"
#include "executor/runtime/lanes/step_recorder.h"
#include "executor/runtime/training/collect_machine.h"
#include "executor/runtime/training/gather.h"
#include "executor/runtime/training/train_result.h"

namespace moesaic::executor {

/// The step as a rank runs it, and what the step of all ranks calls its tasks.
struct RankProgram {
  RankProgram(const Plan& plan, int rank) : RankProgram(lower(plan), rank) {}
  RankProgram(TaskGraph all, int rank) : rows(task_rows(all)), graph(graph_of_rank(std::move(all), rank, &origin)) {}

  OfTasks<TaskRow> rows;      // of all ranks' tasks
  OfTasks<TaskIndex> origin;  // of graph -> index into rows
  TaskGraph graph;
};

/// Fills the step_seconds, processors, disturbance, memory, timeline and routing of `result`, alike on all ranks.
/// `records`: this rank's steps, one at least.
void collect_results(const Plan& plan, const RankProgram& program, const std::vector<StepRecord>& records,
                     const MemoryUse& own, const RankMachine& machine, Gather gather, TrainResult& result);

}  // namespace moesaic::executor
