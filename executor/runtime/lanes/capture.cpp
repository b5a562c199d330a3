#include "executor/runtime/lanes/capture.h"

#include "core/schema/error.h"

namespace moesaic::executor {

bool Capture::start_step(Bytes live) {
  resident_ = live;
  if (phase_ == Phase::in_next_step) phase_ = backend_.begin_capture() ? Phase::running : Phase::off;
  if (phase_ != Phase::replayed) return false;
  backend_.replay();
  return true;
}

void Capture::finish(Bytes live) {
  MOESAIC_CHECK(live == resident_, "an activation outlives the captured tasks");
  backend_.end_capture();
  backend_.replay();
  phase_ = Phase::replayed;
}

void Capture::end_step() {
  if (phase_ == Phase::after_this_step) phase_ = Phase::in_next_step;
}

}  // namespace moesaic::executor
