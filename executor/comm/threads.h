#pragma once
// Ranks as threads of this process. It knows nothing of what a rank does.

#include <functional>

#include "executor/comm/local_transport.h"

namespace moesaic::executor {

/// Calls `rank_main` on a thread for each rank of a world. A rank that throws ends all; the first error is rethrown.
void run_on_threads(LocalWorld& world, const std::function<void(int rank, Transport& transport)>& rank_main);
/// Calls `rank_main` on `ranks` threads, each with its own transport, in the same way.
void run_on_threads(int ranks, int ranks_per_node,
                    const std::function<void(int rank, Transport& transport)>& rank_main);
/// The same with chosen links between the ranks.
void run_on_threads(int ranks, const LocalOptions& links,
                    const std::function<void(int rank, Transport& transport)>& rank_main);

}  // namespace moesaic::executor
