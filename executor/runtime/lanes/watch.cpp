#include "executor/runtime/lanes/watch.h"

#include <sched.h>

#include <algorithm>
#include <cstdio>

#include "core/schema/error.h"
#include "executor/machine/steady_clock.h"

namespace moesaic::executor {
namespace {

// A rank polls every few microseconds; when its last poll is longer ago than this, it did not run itself (it was
// stopped, or the machine was asleep), and the time says nothing about the others.
constexpr Seconds kLongestGap = 0.5;

/// "rank 1", "ranks 1, 2 and 5"
std::string ranks_text(const std::vector<int>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (size_t i = 0; i < ranks.size(); ++i)
    text += (i == 0 ? "" : i + 1 == ranks.size() ? " and " : ", ") + std::to_string(ranks[i]);
  return text;
}

}  // namespace

std::string text_of(const Stall& stall) {
  const bool one = stall.missing.size() == 1;
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.1f s", stall.seconds);
  return ranks_text(stall.missing) + (one ? " has" : " have") + " not answered for " + seconds + "; rank " +
         std::to_string(stall.rank) + " waits for " + (one ? "it" : "them") + " in '" + stall.task + "'";
}

void Watch::idle(const Operation& operation, const std::string& task) {
  hooks_.check();
  const Seconds poll = steady_seconds();
  if (idle_) stall_.seconds += std::min(poll - last_poll_, kLongestGap);
  idle_ = true;
  last_poll_ = poll;
  const bool over = limits_.timeout > 0 && stall_.seconds >= limits_.timeout, ending = hooks_.ending();
  const bool warn = !warned_ && limits_.warning > 0 && stall_.seconds >= limits_.warning;
  if (!over && !ending && !warn) return;
  stall_.rank = rank_;
  stall_.missing = operation.waiting_for();
  stall_.task = task;
  if (stall_.missing.empty()) return;  // the next poll completes
  if (warn) {
    warned_ = true;
    hooks_.on_stall(stall_, StallEvent::begins);
  }
  if (!over && !ending) return;
  hooks_.on_stall(stall_, over ? StallEvent::times_out : StallEvent::cut_short);
  throw DeviceError(text_of(stall_) + (over ? "; that is longer than the stall timeout" : " as the job is ended"));
}

void Watch::wait(Operation& operation, const std::string& task) {
  while (!operation.poll()) {
    idle(operation, task);
    sched_yield();
  }
  progress();
}

void Watch::end_wait() {
  if (warned_) hooks_.on_stall(stall_, StallEvent::ends);
  idle_ = warned_ = false;
  stall_ = {};
}

}  // namespace moesaic::executor
