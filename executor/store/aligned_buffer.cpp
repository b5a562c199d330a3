#include "executor/store/aligned_buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

constexpr int64_t kLargePage = 2 << 20;      // x86-64 and most of arm64
constexpr int64_t kStretchBytes = 16 << 20;  // of a pool: eight large pages

}  // namespace

AlignedBuffer::AlignedBuffer(int64_t bytes) : bytes_(padded_to_file_alignment(bytes)) {
  MOESAIC_CHECK(bytes > 0, "a buffer needs a size");
  const bool large = bytes_ >= kLargePage;
  void* memory = nullptr;
  const auto alignment = static_cast<size_t>(large ? kLargePage : kFileAlignment);
  if (posix_memalign(&memory, alignment, static_cast<size_t>(bytes_)) != 0)
    throw DeviceError("no memory for a file buffer of " + std::to_string(bytes_) + " bytes");
  if (large) madvise(memory, static_cast<size_t>(bytes_), MADV_HUGEPAGE);  // pages are small where it is not taken
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
