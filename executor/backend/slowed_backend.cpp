#include "executor/backend/slowed_backend.h"

#include <ctime>

namespace moesaic::executor {
namespace {

/// Processor time, not wall time: what others take from this core is not the slower device's.
Seconds thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

void SlowedBackend::launch(const Launch& launch) {
  const Seconds start = thread_seconds();
  inner_.launch(launch);
  const Seconds end = thread_seconds();
  while (thread_seconds() < end + extra_ * (end - start)) {
  }
}

}  // namespace moesaic::executor
