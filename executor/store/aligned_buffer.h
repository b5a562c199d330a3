#pragma once
// Memory that direct file access can move data to and from: aligned and padded to kFileAlignment. It is not pinned for
// a GPU, and its contents are undefined at first.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>

#include "core/schema/error.h"

namespace moesaic::executor {

/// Bytes. O_DIRECT wants the logical block of the device, 512 or 4096; 4096 serves both and is a page of memory.
constexpr int64_t kFileAlignment = 4096;

constexpr int64_t padded_to_file_alignment(int64_t bytes) {
  return (bytes + kFileAlignment - 1) / kFileAlignment * kFileAlignment;
}

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  /// DeviceError where there is no memory for `bytes`, which are padded to the alignment.
  explicit AlignedBuffer(int64_t bytes) : bytes_(padded_to_file_alignment(bytes)) {
    MOESAIC_CHECK(bytes > 0, "a buffer needs a size");
    void* memory = ::operator new[](static_cast<size_t>(bytes_), kAlignment, std::nothrow);
    if (!memory) throw DeviceError("no memory for a file buffer of " + std::to_string(bytes_) + " bytes");
    memory_.reset(static_cast<std::byte*>(memory));
  }

  std::byte* data() const { return memory_.get(); }
  int64_t bytes() const { return bytes_; }

 private:
  static constexpr std::align_val_t kAlignment{kFileAlignment};
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete[](memory, kAlignment); }
  };

  std::unique_ptr<std::byte[], Free> memory_;
  int64_t bytes_ = 0;
};

}  // namespace moesaic::executor
