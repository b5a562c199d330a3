#include "executor/backend/large_pages.h"

#include <sys/mman.h>

#include <cstdlib>

namespace moesaic::executor {

void* allocate_in_large_pages(std::size_t bytes, std::size_t alignment) {
  const bool large = bytes >= kLargePage;
  void* data = nullptr;  // no std::aligned_alloc here: it may insist on whole pages
  if (posix_memalign(&data, large ? kLargePage : alignment, bytes) != 0) return nullptr;
  if (large) madvise(data, bytes, MADV_HUGEPAGE);  // where the system does not take the advice, pages are small
  return data;
}

}  // namespace moesaic::executor
