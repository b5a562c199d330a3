#pragma once
// Measures what one more message costs while others are in flight: the gap g of LogGP, `message_s` of a link. It does
// not measure latency or bandwidth, which the collectives tell.

#include "executor/profiling/bench.h"

namespace moesaic::executor {

inline constexpr int kManyMessages = 64;

/// t(n): until every rank has sent n messages of 64 bytes, all in flight at once, to the next rank and has received as
/// many from the one before. Requires two ranks. Must not outlive `bench`.
Measure open_messages(int messages, Bench& bench);

/// (t(64) - t(1)) / 63 seconds, at least 0, of the shortest of several.
Seconds message_seconds(Seconds one, Seconds many);

}  // namespace moesaic::executor
