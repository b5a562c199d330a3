#pragma once
// The clock that all times of a run are read from: CLOCK_MONOTONIC, by which the kernel also wakes sleepers. It stands
// in no relation to the time of day.

#include <chrono>

#include "core/schema/units.h"

namespace moesaic::executor {

inline Seconds steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace moesaic::executor
