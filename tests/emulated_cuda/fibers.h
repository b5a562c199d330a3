#pragma once
// Functions with stacks of their own that one host thread runs in turns. It knows nothing of blocks or kernels.

#include <cstddef>

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
  friend void fiber_main();
  void enter();
  [[noreturn]] void leave();

  char* stack_;
  void* stack_pointer_ = nullptr;
  void (*function_)() = nullptr;
  void* fake_stack_ = nullptr;  // of the address sanitizer
};

}  // namespace emulated_cuda
