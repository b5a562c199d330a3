#include "executor/comm/buffer_pool.h"

#include <algorithm>
#include <new>

namespace moesaic::executor {
namespace {

constexpr std::align_val_t kAlignment{64};  // one cache line

}  // namespace

BufferPool::BufferPool()
    : BufferPool({[](int64_t bytes) { return ::operator new[](static_cast<size_t>(bytes), kAlignment); },
                  [](void* data) { ::operator delete[](data, kAlignment); }}) {}

BufferPool::Buffer BufferPool::take(int64_t bytes) {
  const auto by_capacity = [](const Buffer& a, const Buffer& b) { return a.capacity < b.capacity; };
  std::sort(idle_.begin(), idle_.end(), by_capacity);
  const auto fit = std::find_if(idle_.begin(), idle_.end(), [&](const Buffer& b) { return b.capacity >= bytes; });
  if (fit != idle_.end()) {
    Buffer buffer = std::move(*fit);
    idle_.erase(fit);
    return buffer;
  }
  // None is large enough: a new one replaces the largest idle one, so the pool never has more buffers than loans.
  if (!idle_.empty()) {
    allocated_bytes_ -= idle_.back().capacity;
    idle_.pop_back();
  }
  std::shared_ptr<std::byte> memory(static_cast<std::byte*>(memory_.allocate(bytes)), memory_.release);
  allocated_bytes_ += bytes;
  return {std::move(memory), bytes};
}

}  // namespace moesaic::executor
