#include "executor/profiling/timed.h"

namespace moesaic::executor {

Sample timed(Lane lane, Backend& backend, const std::function<void()>& work) {
  Seconds begin = 0, end = 0;
  backend.settle();
  const CoreWatch core;
  backend.mark(lane, &begin);
  work();
  backend.mark(lane, &end);
  backend.settle();
  return backend.runs_inline() ? core.computed(end - begin) : Sample{end - begin};
}

}  // namespace moesaic::executor
