#pragma once
// How long a lane of a device works, and whether others had the core meanwhile. It repeats nothing.

#include <functional>

#include "executor/backend/backend.h"
#include "executor/profiling/sample.h"

namespace moesaic::executor {

/// `work` appends to the lane, which is empty before and after. Other work of the machine disturbs only what runs
/// inline: a device has its own clock and its own time.
Sample timed(Lane lane, Backend& backend, const std::function<void()>& work);

}  // namespace moesaic::executor
