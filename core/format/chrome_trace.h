#pragma once
// A timeline in the Chrome trace event format, which Perfetto and chrome://tracing open. It is written only, never read
// back.

#include <string>

#include "core/timeline/timeline.h"

namespace moesaic {

/// One process per rank, one thread per lane (more where tasks of a lane overlap), the operator as category, and a
/// counter of device memory. Times are microseconds, as the format demands.
std::string chrome_trace(const Timeline& timeline);

}  // namespace moesaic
