#pragma once
// What the address and the thread sanitizer want to know of stacks that take turns; nothing in builds without them.

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

// Functions that begin on one stack and end on another, or never: the thread sanitizer would count them as callers.
#if defined(__SANITIZE_THREAD__)
#define EMULATED_CUDA_UNCOUNTED [[gnu::no_sanitize("thread")]]
#else
#define EMULATED_CUDA_UNCOUNTED
#endif

namespace emulated_cuda {

/// A stack in the eyes of the sanitizers. about_to_switch() is called on the stack that is left, arrived() on the one
/// that is entered.
struct WatchedStack {
  const void* bottom = nullptr;
  std::size_t bytes = 0;
  void* fake_stack = nullptr;
  void* thread = nullptr;
};

#if defined(__SANITIZE_ADDRESS__)
inline void about_to_switch(WatchedStack& from, const WatchedStack& to, bool for_ever) {
  __sanitizer_start_switch_fiber(for_ever ? nullptr : &from.fake_stack, to.bottom, to.bytes);
}
/// `from` learns its bounds, which for the stack of a host thread nobody else tells.
inline void arrived(WatchedStack& at, WatchedStack& from) {
  __sanitizer_finish_switch_fiber(at.fake_stack, &from.bottom, &from.bytes);
}
/// Frames of functions that never returned.
inline void forget_frames(WatchedStack& stack) {
  __asan_unpoison_memory_region(stack.bottom, stack.bytes);
  stack.fake_stack = nullptr;
}
#elif defined(__SANITIZE_THREAD__)
EMULATED_CUDA_UNCOUNTED inline void about_to_switch(WatchedStack& from, const WatchedStack& to, bool) {
  from.thread = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.thread, 0);
}
inline void arrived(WatchedStack&, WatchedStack&) {}
inline void forget_frames(WatchedStack& stack) {
  if (stack.thread == nullptr) stack.thread = __tsan_create_fiber(0);
}
#else
inline void about_to_switch(WatchedStack&, const WatchedStack&, bool) {}
inline void arrived(WatchedStack&, WatchedStack&) {}
inline void forget_frames(WatchedStack&) {}
#endif

}  // namespace emulated_cuda
