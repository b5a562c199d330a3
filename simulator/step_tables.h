#pragma once
// All that is known of a step before it runs: rows, prices, what collectives and transfers ask for, orders of tasks and
// which ranks are alike.

#include <vector>

#include "simulator/collective_table.h"
#include "simulator/rank_classes.h"
#include "simulator/step_program.h"
#include "simulator/step_simulation.h"
#include "simulator/transfer_table.h"

namespace moesaic::simulator {

/// Known before there are tables.
int64_t tasks_of_ranks(const TaskGraph& graph);

struct StepTables {
  /// `graph` and `plan` must outlive the tables. `step`: which one of the routing document; `every_rank`: alike ranks
  /// are simulated one by one.
  StepTables(const TaskGraph& graph, const Plan& plan, int64_t step, bool every_rank);

  StepParts parts(MemoryTracker& memory) {
    return {graph, platform, programs, evidence, classes, collectives, transfers, prices, memory};
  }
  int64_t tasks_of_classes() const;  // of one rank of each class

  const TaskGraph& graph;
  const Platform platform;
  RowTable rows;
  TaskPrices prices;
  const TransferTable transfers;
  CollectiveTable collectives;
  const std::vector<StepProgram> programs;  // [pipeline stages]
  const RankEvidence evidence;
  const RankClasses classes;
};

}  // namespace moesaic::simulator
