#pragma once
// Measures a profile and a cluster document of this machine with the executor's own operators and collectives, all
// ranks at once. It prices nothing and writes no file.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/schema/plan.h"
#include "executor/backend/backend.h"
#include "executor/comm/transport.h"

namespace moesaic::executor {

struct ProfileOptions {
  Seconds budget_s = 60;  // aimed at, not kept to: every operator is measured, however short it is
  uint64_t seed = 1;      // of the operands
  std::string name = "measured";
  std::string device;           // Device::name; empty: the processor's name and "core"
  std::string command, commit;  // provenance that only the caller knows
  /// On rank 0, after each curve point; `total` shrinks when the budget does not reach.
  std::function<void(int done, int total, const std::string& what)> on_progress = [](int, int, const std::string&) {};
};

/// Called by all ranks of the transport, each with its own backend. Plans supply the shapes; their number of ranks is
/// free. Complete on rank 0. Throws InputError for a plan that the executor cannot train.
Profile measure_profile(const std::vector<Plan>& plans, int rank, Transport& transport, Backend& backend,
                        const ProfileOptions& options);

/// The link behind the all-to-all curve: its latency is the shortest time without what a member's messages cost one
/// after the other, its bandwidth that of the rest of the largest transfer. A point during which others had the
/// machine may be slower than larger ones, so the shortest need not be the smallest; where even the largest is the
/// shortest, all of its time counts as transfer. Absent where no such curve was measured.
Link link_of(const Profile& profile, Seconds message_s);

/// The cluster document of this machine: one node with a device per rank, peaks and bandwidths with all ranks busy. The
/// link is link_of `profile`. Called by all ranks; complete on rank 0, whose `profile`
/// counts.
Cluster measure_cluster(const Profile& profile, int rank, Transport& transport, Backend& backend,
                        const ProfileOptions& options);

}  // namespace moesaic::executor
