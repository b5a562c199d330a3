#pragma once
// How much of the time in which a rank had work its core gave to other work: wall time - processor time, of everything
// but waits. A rank that waits polls and yields, and has lost nothing but the last yield: what it waited for came
// meanwhile, and stood until the rank had the core again. It is switched where a wait begins or ends and reads no
// clock per task. One thread per rank: should an operator divide its work, its helpers' time is not seen, and that it
// waits for them asleep counts as lost.

#include "executor/backend/backend.h"

namespace moesaic::executor {

class BusyTime {
 public:
  /// Of the thread that calls the rest. Measures nothing unless the backend runs inline: else the device has the work.
  explicit BusyTime(const Backend& backend) : backend_(backend), measures_(backend.runs_inline()) {}

  bool measures() const { return measures_; }
  /// There is work from here on, until rests(). Either costs one branch where nothing changes, else some 0.4 us.
  void works() {
    if (measures_ && !working_) begin();
  }
  void rests() {
    if (working_) end();
  }
  /// A yield that lasted so long, at rest. Of those before the next works() the last one counts.
  void yielded(Seconds lasted) { last_yield_ = measures_ ? lasted : 0; }
  /// Rests. What was lost since the last call.
  Seconds take_lost();

 private:
  void begin();
  void end();

  const Backend& backend_;
  const bool measures_;
  bool working_ = false;
  Seconds start_ = 0;  // wall - processor time - time asleep on purpose, when work began
  Seconds last_yield_ = 0;
  Seconds lost_ = 0;
};

}  // namespace moesaic::executor
