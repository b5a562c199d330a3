#include "tests/emulated_cuda/arena.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(data, bytes) static_cast<void>(data), static_cast<void>(bytes)
#define ASAN_UNPOISON_MEMORY_REGION(data, bytes) static_cast<void>(data), static_cast<void>(bytes)
#endif

namespace emulated_cuda {
namespace {

constexpr std::size_t kStep = 256;  // bytes; cudaMalloc() promises this alignment
constexpr int kPoison = 0xFF;
constexpr std::size_t kPage = std::size_t{2} << 20;  // bytes: a large page stays whole

const char* first_address = nullptr;
struct sigaction previous_action;

/// Says why, then leaves the fault to whoever handled it before.
void on_fault(int signal, siginfo_t* info, void* context) {
  const auto* at = static_cast<const char*>(info->si_addr);
  if (at >= first_address && at < first_address + Arena::kCapacity) {
    constexpr char kMessage[] = "host code touched emulated device memory\n";
    (void)!write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  }
  if ((previous_action.sa_flags & SA_SIGINFO) != 0 && previous_action.sa_sigaction != nullptr)
    return previous_action.sa_sigaction(signal, info, context);
  (void)sigaction(SIGSEGV, &previous_action, nullptr);  // the faulting instruction runs again
}

void explain_faults(const char* memory) {
  first_address = memory;
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  (void)sigaction(SIGSEGV, &action, &previous_action);
}

std::size_t rounded(std::size_t bytes) { return (bytes + kStep - 1) / kStep * kStep; }
std::size_t with_gap(std::size_t bytes) { return rounded(bytes) + kStep; }  // writes past the end land in the gap

}  // namespace

Arena::Arena() : limit_(kCapacity) {
  void* memory = mmap(nullptr, kCapacity, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<char*>(memory);
  (void)madvise(memory_, kCapacity, MADV_HUGEPAGE);  // opening and closing costs time for every page
  explain_faults(memory_);
}

char* Arena::end() const {
  return blocks_.empty() ? memory_ : blocks_.rbegin()->first + with_gap(blocks_.rbegin()->second);
}

void* Arena::allocate(std::size_t bytes) {
  if (bytes > limit_ || used_ + rounded(bytes) > limit_) return nullptr;
  char* at = memory_;  // the first gap that is large enough
  for (const auto& [data, size] : blocks_) {
    if (static_cast<std::size_t>(data - at) >= with_gap(bytes)) break;
    at = data + with_gap(size);
  }
  const auto needed = static_cast<std::size_t>(at - memory_) + with_gap(bytes);
  if (needed > kCapacity) return nullptr;
  blocks_[at] = bytes;
  used_ += rounded(bytes);
  if (needed > poisoned_) {
    const Access access(*this);
    std::memset(memory_ + poisoned_, kPoison, needed - poisoned_);
    poisoned_ = needed;
  }
  ASAN_UNPOISON_MEMORY_REGION(at, bytes);
  ASAN_POISON_MEMORY_REGION(at + bytes, with_gap(bytes) - bytes);
  return at;
}

Arena::Freed Arena::release(void* data) {
  const auto block = blocks_.find(static_cast<char*>(data));
  if (block == blocks_.end()) return Freed::unknown_block;
  const auto [at, bytes] = *block;
  bool intact = true;
  {
    const Access access(*this);
    ASAN_UNPOISON_MEMORY_REGION(at, with_gap(bytes));
    intact = std::all_of(at + bytes, at + with_gap(bytes),
                         [](char byte) { return static_cast<unsigned char>(byte) == kPoison; });
    std::memset(at, kPoison, with_gap(bytes));
    ASAN_POISON_MEMORY_REGION(at, with_gap(bytes));
  }
  used_ -= rounded(bytes);
  blocks_.erase(block);
  return intact ? Freed::yes : Freed::written_past_its_end;
}

bool Arena::contains(const void* address) const {
  const auto* at = static_cast<const char*>(address);
  return at >= memory_ && at < memory_ + kCapacity;
}

bool Arena::holds(const void* data, std::size_t bytes) const {
  auto* at = const_cast<char*>(static_cast<const char*>(data));
  const auto next = blocks_.upper_bound(at);
  if (next == blocks_.begin()) return false;
  const auto& [start, size] = *std::prev(next);
  return static_cast<std::size_t>(at - start) + bytes <= size;
}

Arena::Access::Access(Arena& arena) : arena_(arena) {
  if (arena_.accesses_++ > 0) return;
  arena_.open_ = (static_cast<std::size_t>(arena_.end() - arena_.memory_) + kPage - 1) / kPage * kPage;
  if (mprotect(arena_.memory_, arena_.open_, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
}
Arena::Access::~Access() {
  if (--arena_.accesses_ == 0) (void)mprotect(arena_.memory_, arena_.open_, PROT_NONE);
}

}  // namespace emulated_cuda
