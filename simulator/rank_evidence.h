#pragma once
// Reads, for every rank, all that the interpreter will read of it: what rank classes are derived from.

#include <vector>

#include "simulator/collective_table.h"
#include "simulator/rank_classes.h"
#include "simulator/step_program.h"
#include "simulator/transfer_table.h"

namespace moesaic::simulator {

/// programs: [pipeline stages].
RankEvidence evidence_of(const TaskGraph& graph, const Platform& platform, const std::vector<StepProgram>& programs,
                         RowTable& rows, CollectiveTable& collectives, const TransferTable& transfers);

}  // namespace moesaic::simulator
