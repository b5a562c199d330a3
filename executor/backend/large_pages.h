#pragma once
// Memory for arrays that are read from end to end: in 2 MiB pages where it is large enough and the system lends them.
// It keeps no free lists.

#include <cstddef>

namespace moesaic::executor {

/// From this size on, in bytes; the page of x86-64 and most of arm64.
constexpr std::size_t kLargePage = 2 << 20;

/// `bytes`, a multiple of `alignment` and aligned to as much, contents undefined; null when there is no memory. For
/// std::free. A product that walks through 4 KiB pages waits for their translations: copies of 16 MiB ran at a third of
/// the speed. A virtual disk that gets long stretches instead of one per 4 KiB moved 4 MiB 2.5 times as fast.
void* allocate_in_large_pages(std::size_t bytes, std::size_t alignment);

}  // namespace moesaic::executor
