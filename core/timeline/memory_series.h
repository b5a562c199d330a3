#pragma once
// Memory over the step, tier by tier: what a tier holds all the time, how device memory rises and falls, what there is
// room for. It judges nothing: whether a plan fits is for the simulator to say.

#include <string>
#include <utility>
#include <vector>

#include "core/plan/plan.h"
#include "core/schema/cluster.h"
#include "core/timeline/timeline.h"

namespace moesaic {

/// One memory: a device's, or the host memory or storage of a node, which its ranks share.
struct TierMemory {
  Tier tier = Tier::device;
  int ranks = 1;                                   // that share it
  Bytes capacity_bytes = 0;                        // 0: unknown
  std::vector<std::pair<TensorKind, Bytes>> held;  // all through the step, by those ranks together; no zeros
  Bytes held_bytes() const;
};

/// The device of a rank always, host memory and storage of its node where something lives there (as much of each rank:
/// lower tiers know no pipeline).
std::vector<TierMemory> tier_memories(const TaskGraph& graph, const Cluster& cluster, int rank = 0);

/// The rank with the highest sample, the first of several; 0 where there are none.
int rank_of_peak(const Timeline& timeline);

/// Live device bytes of one rank: bytes[i] from time_s[i] on.
struct MemoryCurve {
  int rank = 0;
  Bytes peak_bytes = 0;
  Seconds peak_time_s = 0;      // when it is first reached
  std::vector<Seconds> time_s;  // [points], not falling
  std::vector<Bytes> bytes;     // [points]
};

/// One per rank that has samples, the highest peak first, then by rank. Where a rank has more samples than `max_points`
/// (at least 4), the first, the least, the most and the last of each of max_points / 4 equal stretches of time remain,
/// so that a line through them has the outline of the whole.
std::vector<MemoryCurve> memory_curves(const Timeline& timeline, size_t max_points);

/// For result documents, by tier: capacity, what is held by kind, and the curve of the rank with the highest peak. Host
/// memory and storage are a line of two points, and left out of what was measured: executors sample devices alone.
Json write_memory(const Timeline& timeline, const std::vector<TierMemory>& tiers, size_t max_points = 500);

/// "optimizer states", in words of the tier: on a host or storage only states of experts live.
std::string name_of_held(Tier tier, TensorKind kind);

}  // namespace moesaic
