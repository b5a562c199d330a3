#pragma once
// Gathers at the end of a run what every rank of a job measured. It runs no step.

#include <utility>
#include <vector>

#include "core/graph/stages.h"
#include "core/technique/lower.h"
#include "executor/runtime/training/collect_machine.h"
#include "executor/runtime/training/gather.h"
#include "executor/runtime/training/step_history.h"
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

/// Fills of `result` what its steps and ranks have measured, alike on all ranks. `history`: of this rank, with one step
/// at least; what it keeps is taken.
void collect_results(const Plan& plan, const RankProgram& program, StepHistory& history, const MemoryUse& own,
                     const RankMachine& machine, Gather gather, TrainResult& result);

}  // namespace moesaic::executor
