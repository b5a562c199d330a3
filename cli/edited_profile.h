#pragma once
// What an edited cluster does to curves that were measured on the one before the edit. It knows nothing of how edits
// are written.

#include "core/schema/cluster.h"
#include "core/schema/profile.h"

namespace moesaic::cli {

/// Operators follow the rate that bounds them: matrix products the peak of their dtype, the others the memory
/// bandwidth, t' = t before / after. Collectives follow their link: t' = fixed_after + (t - fixed_before)
/// bandwidth_before / bandwidth_after, where fixed is latency and what the busiest port spends on messages. Curves that
/// change are no longer measured: they become `assumed`.
Profile with_edited_rates(Profile profile, const Cluster& before, const Cluster& after);

}  // namespace moesaic::cli
