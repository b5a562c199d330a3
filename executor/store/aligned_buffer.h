#pragma once
// Memory that direct file access can move data to and from: aligned and padded to kFileAlignment, in large pages where
// it is large. It is not pinned for a GPU, and its contents are undefined at first.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace moesaic::executor {

/// Bytes. O_DIRECT wants the logical block of the device, 512 or 4096; 4096 serves both and is a page of memory.
constexpr int64_t kFileAlignment = 4096;

constexpr int64_t padded_to_file_alignment(int64_t bytes) {
  return (bytes + kFileAlignment - 1) / kFileAlignment * kFileAlignment;
}

class AlignedPool;

/// Gives memory back to where it came from.
struct FreeAligned {
  AlignedPool* pool = nullptr;  // null: the system's
  void operator()(std::byte* memory) const;
};

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  /// DeviceError where there is no memory for `bytes`, which are padded to the alignment.
  explicit AlignedBuffer(int64_t bytes);

  std::byte* data() const { return memory_.get(); }
  int64_t bytes() const { return bytes_; }

 private:
  friend class AlignedPool;
  std::unique_ptr<std::byte[], FreeAligned> memory_;
  int64_t bytes_ = 0;
};

/// Buffers of one size, side by side in stretches of large pages; for sizes below such a page. One thread.
class AlignedPool {
 public:
  explicit AlignedPool(int64_t buffer_bytes);
  /// The pool must outlive it. DeviceError as above.
  AlignedBuffer take();

 private:
  friend struct FreeAligned;
  int64_t buffer_bytes_;
  std::vector<AlignedBuffer> stretches_;
  std::vector<std::byte*> free_;
};

}  // namespace moesaic::executor
