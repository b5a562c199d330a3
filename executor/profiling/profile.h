#pragma once
// Measures a profile and a cluster document of this machine with the executor's own operators and collectives, all
// ranks at once. It prices nothing and writes no file.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "executor/backend/backend.h"
#include "executor/comm/transport.h"
#include "executor/profiling/bench.h"

namespace moesaic::executor {

struct ProfileOptions {
  Seconds budget_s = 60;                            // kept to
  Seconds spent_s = 0;                              // of it, before the call
  std::function<Seconds()> clock = steady_seconds;  // that the budget counts by
  uint64_t seed = 1;                                // of the operands
  std::string name = "measured";
  std::string device;           // Device::name; empty: the processor's name and "core"
  std::string command, commit;  // provenance that only the caller knows
  /// On rank 0, after each visit to a point of a curve.
  std::function<void(Seconds spent, Seconds budget, const std::string& what)> on_progress = [](Seconds, Seconds,
                                                                                               const std::string&) {};
};

struct MeasuredMachine {
  Profile profile;
  Cluster cluster;  // one node with a device per rank; peaks and bandwidths with all ranks busy
  /// Not empty: nothing was found, because the budget ended before the points that a profile needs at least were
  /// measured; how many were, and how long all take. The documents are empty then.
  std::string too_short;
};

/// Called by all ranks of the transport, each with its own backend. Plans supply the shapes; their number of ranks is
/// free. Complete on rank 0, `too_short` on all. Throws InputError for a plan that the executor cannot train.
MeasuredMachine measure_machine(const std::vector<Plan>& plans, int rank, Transport& transport, Backend& backend,
                                const ProfileOptions& options);

/// The link behind the all-to-all curve: its latency is the shortest time without what a member's messages cost one
/// after the other, its bandwidth that of the rest of the largest transfer. A point during which others had the
/// machine may be slower than larger ones, so the shortest need not be the smallest; where even the largest is the
/// shortest, all of its time counts as transfer. Absent where no such curve was measured.
Link link_of(const Profile& profile, Seconds message_s);

}  // namespace moesaic::executor
