#include "executor/runtime/lanes/busy_time.h"

#include <algorithm>
#include <utility>

#include "executor/machine/disturbance.h"
#include "executor/machine/steady_clock.h"

namespace moesaic::executor {
namespace {

/// Stands still while the thread has the core or its device sleeps on purpose.
Seconds time_without_core(const Backend& backend) {
  return steady_seconds() - cpu_seconds(Counted::thread) - backend.slept();
}

}  // namespace

void BusyTime::begin() {
  working_ = true;
  lost_ += std::exchange(last_yield_, 0.0);
  start_ = time_without_core(backend_);
}

void BusyTime::end() {
  working_ = false;
  lost_ += time_without_core(backend_) - start_;
}

/// The clocks differ by some ns a stretch, so that nothing lost may come out below zero.
Seconds BusyTime::take_lost() {
  rests();
  return std::max(0.0, std::exchange(lost_, 0.0));
}

}  // namespace moesaic::executor
