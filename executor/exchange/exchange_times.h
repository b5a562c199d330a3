#pragma once
// Times flat and hierarchical exchanges against each other, in turns, from a start that all ranks agree on. It runs no
// models and judges nothing.

#include <vector>

#include "core/plan/plan.h"
#include "executor/backend/backend.h"
#include "executor/comm/transport.h"

namespace moesaic::executor {

/// Seconds from the common start until the slowest rank has all its rows, one per repetition, and what all ranks
/// together sent between nodes in one exchange.
struct ExchangeSamples {
  std::vector<Seconds> seconds;
  LinkTraffic inter_node;
};

struct ExchangeTimes {
  ExchangeSamples flat, hierarchical;
};

/// Collective. Times the dispatch of `plan` (its own choice of all-to-all is not looked at) with the rows that its
/// routing document gives. Ranks must share one steady clock: threads or processes of one machine.
ExchangeTimes time_exchanges(const Plan& plan, int repetitions, int rank, Backend& backend, Transport& transport);

}  // namespace moesaic::executor
