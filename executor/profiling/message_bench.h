#pragma once
// Measures what one more message costs while others are in flight: the gap g of LogGP, `message_s` of a link. It does
// not measure latency or bandwidth, which the collectives tell.

#include "executor/profiling/bench.h"

namespace moesaic::executor {

/// (t(64) - t(1)) / 63 seconds, at least 0; t(n): until every rank has sent n messages of 64 bytes, all in flight at
/// once, to the next rank and has received as many from the one before; the shortest of several. 0 for a single rank.
Seconds message_seconds(Bench& bench);

}  // namespace moesaic::executor
