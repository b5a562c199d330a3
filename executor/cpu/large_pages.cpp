#include "executor/cpu/large_pages.h"

#include <sys/mman.h>

#include <cstdlib>

namespace moesaic::executor::cpu {

void* allocate_in_large_pages(std::size_t bytes) {
  constexpr std::size_t kAlignment = 64;  // bytes: one cache line, one AVX-512 register
  constexpr std::size_t kLargePage = 2 << 20;
  if (bytes < kLargePage) return std::aligned_alloc(kAlignment, bytes);
  void* data = nullptr;  // no std::aligned_alloc here: it may insist on whole pages
  if (posix_memalign(&data, kLargePage, bytes) != 0) return nullptr;
  madvise(data, bytes, MADV_HUGEPAGE);  // where the system does not take the advice, pages are small
  return data;
}

}  // namespace moesaic::executor::cpu
