#include "executor/backend/slowed_backend.h"

#include <sys/prctl.h>

#include <algorithm>
#include <ctime>

#include "executor/machine/disturbance.h"
#include "executor/machine/steady_clock.h"

namespace moesaic::executor {
namespace {

// A rank does a few microseconds of bookkeeping between two launches. After a longer pause it has waited for others:
// had its last launch ended in time, it would have waited longer, so being late then has cost nothing to make up for.
constexpr Seconds kWaited = 50e-6;

void sleep_until(Seconds when) {
  timespec time{};
  time.tv_sec = static_cast<time_t>(when);
  time.tv_nsec = static_cast<long>((when - static_cast<double>(time.tv_sec)) * 1e9);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) != 0) {
  }
}

}  // namespace

SlowedBackend::SlowedBackend(Backend& inner, double speed) : ForwardingBackend(inner), speed_(speed) {
  prctl(PR_SET_TIMERSLACK, 1UL);  // ns; of this thread. Else the kernel may wake it 50 us late to save wake-ups
}

/// Processor time, not wall time: what others take from this core is not the slower device's.
void SlowedBackend::launch(const Launch& launch) {
  const Seconds start = steady_seconds(), began = cpu_seconds(Counted::thread);
  if (start - last_end_ > kWaited) late_ = 0;
  ForwardingBackend::launch(launch);
  const Seconds lasts = (cpu_seconds(Counted::thread) - began) / speed_;
  const Seconds end = start - late_ + lasts;
  const Seconds worked = steady_seconds();
  const bool sleeps = speed_ < 1 && worked < end;
  if (sleeps) sleep_until(end);
  last_end_ = steady_seconds();
  late_ = std::max(0.0, last_end_ - end);
  kept_.due += lasts;
  kept_.lasted += last_end_ - start;
  if (!sleeps) return;
  slept_ += last_end_ - worked;
  kept_.woke_late += late_;
  ++kept_.slept;
}

}  // namespace moesaic::executor
