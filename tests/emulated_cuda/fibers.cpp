#include "tests/emulated_cuda/fibers.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__)
#error "fibers.cpp: write switch_stack() for this processor"
#endif

// void switch_stack(void** save, void* load): leaves the present stack behind in *save and continues on `load`. The
// calling convention makes every other register the caller's. swapcontext() would cost a system call each time.
extern "C" void emulated_cuda_switch_stack(void** save, void* load);
asm(R"(
.text
.type emulated_cuda_switch_stack, @function
emulated_cuda_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size emulated_cuda_switch_stack, .-emulated_cuda_switch_stack
)");

namespace emulated_cuda {
namespace {

constexpr size_t kGuardBytes = 4096;
constexpr size_t kStackBytes = 256 << 10;  // touched pages only; kernel arguments may take 32 KiB of it

Fiber* running = nullptr;
void* main_stack_pointer = nullptr;

#if defined(__SANITIZE_ADDRESS__)
const void* main_bottom = nullptr;
size_t main_bytes = 0;
void before_switch(void** fake_stack, const void* bottom, size_t bytes) {
  __sanitizer_start_switch_fiber(fake_stack, bottom, bytes);
}
void after_switch(void* fake_stack, const void** from_bottom, size_t* from_bytes) {
  __sanitizer_finish_switch_fiber(fake_stack, from_bottom, from_bytes);
}
void forget_frames(char* stack) { __asan_unpoison_memory_region(stack, kStackBytes); }
#else
const void* main_bottom = nullptr;
size_t main_bytes = 0;
void before_switch(void**, const void*, size_t) {}
void after_switch(void*, const void**, size_t*) {}
void forget_frames(char*) {}
#endif

}  // namespace

void fiber_main() {
  after_switch(nullptr, &main_bottom, &main_bytes);
  running->function_();
  running->leave();
}

Fiber::Fiber() {
  void* memory = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kGuardBytes, PROT_NONE) != 0) throw std::bad_alloc();
  stack_ = static_cast<char*>(memory) + kGuardBytes;
}

Fiber::~Fiber() {
  forget_frames(stack_);
  (void)munmap(stack_ - kGuardBytes, kGuardBytes + kStackBytes);
}

void Fiber::start(void (*function)()) {
  forget_frames(stack_);
  function_ = function;
  fake_stack_ = nullptr;
  auto* top = reinterpret_cast<uintptr_t*>(stack_ + kStackBytes);
  *--top = 0;  // where fiber_main() would return to; it also aligns the stack as a call does
  *--top = reinterpret_cast<uintptr_t>(&fiber_main);
  for (int saved_register = 0; saved_register < 6; ++saved_register) *--top = 0;
  stack_pointer_ = top;
  enter();
}

void Fiber::resume() { enter(); }

void Fiber::enter() {
  running = this;
  void* fake_stack = nullptr;
  before_switch(&fake_stack, stack_, kStackBytes);
  emulated_cuda_switch_stack(&main_stack_pointer, stack_pointer_);
  after_switch(fake_stack, nullptr, nullptr);
  running = nullptr;
}

void Fiber::suspend() {
  Fiber* self = running;
  before_switch(&self->fake_stack_, main_bottom, main_bytes);
  emulated_cuda_switch_stack(&self->stack_pointer_, main_stack_pointer);
  after_switch(self->fake_stack_, &main_bottom, &main_bytes);
}

void Fiber::leave() {
  before_switch(nullptr, main_bottom, main_bytes);  // nullptr: the sanitizer lets go of this fiber
  emulated_cuda_switch_stack(&stack_pointer_, main_stack_pointer);
  std::abort();
}

}  // namespace emulated_cuda
