#include "executor/runtime/lanes/busy_time.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "executor/machine/disturbance.h"

namespace moesaic::executor {
namespace {

/// Stands still while the thread has the core or its device sleeps on purpose.
Seconds time_without_core(const Backend& backend) {
  const Seconds wall = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  return wall - cpu_seconds(Counted::thread) - backend.slept();
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
