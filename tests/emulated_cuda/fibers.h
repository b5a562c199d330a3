#pragma once
// Functions with stacks of their own that one host thread runs in turns. It knows nothing of blocks or kernels.

#include <cstddef>

#include "tests/emulated_cuda/fiber_sanitizers.h"

namespace emulated_cuda {

/// One stack. start() and resume() leave the calling stack until the fiber suspends or its function returns.
class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Runs `function` from its beginning; what an earlier function left on the stack is forgotten.
  void start(void (*function)());
  void resume();
  /// Back to the stack that started or resumed the running fiber.
  static void suspend();

 private:
  static void main();
  void leave(bool for_ever);

  void* stack_pointer_ = nullptr;
  void (*function_)() = nullptr;
  WatchedStack stack_;
};

}  // namespace emulated_cuda
