#pragma once
// A plan of which only the exchanges matter: one MoE layer, every rank sends the same number of bytes to every other.
// And what they cost in a simulated step. It simulates nothing itself.

#include "core/plan/plan.h"
#include "core/timeline/timeline.h"

namespace moesaic::experiments {

inline constexpr Bytes kRowBytes = 256;  // 64 values of f32

/// `pair_bytes` is a multiple of kRowBytes; all devices of the cluster form one expert-parallel group.
Plan exchange_plan(const Cluster& cluster, Bytes pair_bytes, AllToAllKind kind);

/// From the first start to the last end of the tasks of the layer's dispatch.
Seconds dispatch_seconds(const Timeline& timeline);

}  // namespace moesaic::experiments
