#include "tests/emulated_cuda/fibers.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

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
void* host_stack_pointer = nullptr;
WatchedStack host_stack;  // of the thread that runs the fibers at present

}  // namespace

/// The first function of every fiber; it never returns.
EMULATED_CUDA_UNCOUNTED void Fiber::main() {
  arrived(running->stack_, host_stack);
  running->function_();
  running->leave(true);
}

Fiber::Fiber() {
  void* memory = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kGuardBytes, PROT_NONE) != 0) throw std::bad_alloc();
  stack_.bottom = static_cast<char*>(memory) + kGuardBytes;
  stack_.bytes = kStackBytes;
}

Fiber::~Fiber() {
  forget_frames(stack_);
  (void)munmap(static_cast<char*>(const_cast<void*>(stack_.bottom)) - kGuardBytes, kGuardBytes + kStackBytes);
}

void Fiber::start(void (*function)()) {
  forget_frames(stack_);
  function_ = function;
  auto* top = reinterpret_cast<uintptr_t*>(reinterpret_cast<uintptr_t>(stack_.bottom) + stack_.bytes);
  *--top = 0;  // where main() would return to; it also aligns the stack as a call does
  *--top = reinterpret_cast<uintptr_t>(&Fiber::main);
  for (int saved_register = 0; saved_register < 6; ++saved_register) *--top = 0;
  stack_pointer_ = top;
  resume();
}

void Fiber::resume() {
  running = this;
  about_to_switch(host_stack, stack_, false);
  emulated_cuda_switch_stack(&host_stack_pointer, stack_pointer_);
  arrived(host_stack, stack_);
  running = nullptr;
}

void Fiber::suspend() { running->leave(false); }

EMULATED_CUDA_UNCOUNTED void Fiber::leave(bool for_ever) {
  about_to_switch(stack_, host_stack, for_ever);
  emulated_cuda_switch_stack(&stack_pointer_, host_stack_pointer);
  arrived(stack_, host_stack);
}

}  // namespace emulated_cuda
