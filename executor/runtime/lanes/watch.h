#pragma once
// Counts how long a rank waits for others without any progress, and says for whom and in which task. It cannot know why
// they do not answer: a rank that is slow, one that is stopped and one that is gone look alike from here.

#include <functional>
#include <string>
#include <vector>

#include "core/schema/units.h"
#include "executor/comm/operation.h"

namespace moesaic::executor {

struct StallLimits {  // 0: never
  Seconds warning = 10;
  Seconds timeout = 120;
};

/// One rank's wait for others.
struct Stall {
  int rank = 0;              // that waits
  std::vector<int> missing;  // ranks whose messages have not come, ascending
  Seconds seconds = 0;       // of its own running time, so that a job that was stopped as a whole has not waited
  std::string task;
};

/// "rank 1 has not answered for 10.0 s; rank 0 waits for it in 'layer 3 / forward / dispatch'"
std::string text_of(const Stall& stall);

enum class StallEvent { begins, ends, times_out, cut_short };

class Watch {
 public:
  struct Hooks {
    std::function<void()> check = [] {};                  // called at every idle poll; may throw to end the run
    std::function<bool()> ending = [] { return false; };  // true once the job is being ended from outside
    std::function<void(const Stall&, StallEvent)> on_stall = [](const Stall&, StallEvent) {};
  };

  /// Never complains.
  Watch() : Watch(0, {0, 0}, {}) {}
  Watch(int rank, StallLimits limits, Hooks hooks) : rank_(rank), limits_(limits), hooks_(std::move(hooks)) {}

  /// After anything that this rank has done. Cheap: it is called for every task.
  void progress() {
    if (idle_) end_wait();
  }
  /// While waiting for anything but other ranks.
  void check() const { hooks_.check(); }
  /// After a poll of `operation` that changed nothing, while there is nothing else to do. Throws DeviceError naming the
  /// missing ranks beyond the timeout, and when the job is being ended.
  void idle(const Operation& operation, const std::string& task);
  /// Polls to the end, giving the core away in between.
  void wait(Operation& operation, const std::string& task);

 private:
  void end_wait();

  int rank_;
  StallLimits limits_;
  Hooks hooks_;
  bool idle_ = false, warned_ = false;
  Seconds last_poll_ = 0;  // of a steady clock
  Stall stall_;
};

}  // namespace moesaic::executor
