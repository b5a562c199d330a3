#include "executor/comm/buffer_pool.h"

#include <algorithm>

namespace moesaic::executor {

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
  Buffer buffer;
  buffer.bytes.reset(static_cast<std::byte*>(::operator new[](static_cast<size_t>(bytes), kAlignment)));
  buffer.capacity = bytes;
  allocated_bytes_ += bytes;
  return buffer;
}

}  // namespace moesaic::executor
