#include "executor/store/aligned_buffer.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "core/schema/error.h"
#include "executor/backend/large_pages.h"

namespace moesaic::executor {
namespace {

constexpr int64_t kStretchBytes = 16 << 20;  // of a pool: eight large pages

}  // namespace

AlignedBuffer::AlignedBuffer(int64_t bytes) : bytes_(padded_to_file_alignment(bytes)) {
  MOESAIC_CHECK(bytes > 0, "a buffer needs a size");
  void* memory = allocate_in_large_pages(static_cast<size_t>(bytes_), static_cast<size_t>(kFileAlignment));
  if (memory == nullptr) throw DeviceError("no memory for a file buffer of " + std::to_string(bytes_) + " bytes");
  memory_.reset(static_cast<std::byte*>(memory));
}

void FreeAligned::operator()(std::byte* memory) const {
  if (pool != nullptr)
    pool->free_.push_back(memory);
  else
    std::free(memory);
}

AlignedPool::AlignedPool(int64_t buffer_bytes) : buffer_bytes_(padded_to_file_alignment(buffer_bytes)) {}

AlignedBuffer AlignedPool::take() {
  if (free_.empty()) {
    const int64_t count = std::max<int64_t>(1, kStretchBytes / buffer_bytes_);
    const AlignedBuffer& stretch = stretches_.emplace_back(count * buffer_bytes_);
    for (int64_t i = count; i-- > 0;) free_.push_back(stretch.data() + i * buffer_bytes_);
  }
  AlignedBuffer buffer;
  buffer.memory_ = {free_.back(), FreeAligned{this}};
  buffer.bytes_ = buffer_bytes_;
  free_.pop_back();
  return buffer;
}

}  // namespace moesaic::executor
