#pragma once
// Page-locked host memory for staging: one region, pinned at first use, never larger than its cap. What does not fit
// comes from pageable memory, which copies as correctly but slower and blocks the caller.

#include <map>
#include <optional>

#include "core/schema/units.h"

namespace moesaic::executor::cuda {

/// Where blocks lie in a region of `capacity` bytes: first fit, 256-byte steps, neighbours merge. Arithmetic only.
class ArenaLayout {
 public:
  explicit ArenaLayout(Bytes capacity);
  std::optional<Bytes> take(Bytes bytes);  // offset, or nothing when no gap is large enough
  void give_back(Bytes offset);
  Bytes capacity() const { return capacity_; }
  Bytes used_bytes() const { return used_; }

 private:
  Bytes capacity_, used_ = 0;
  std::map<Bytes, Bytes> gaps_, taken_;  // offset -> bytes
};

class PinnedArena {
 public:
  explicit PinnedArena(Bytes cap) : cap_(cap), layout_(0) {}
  ~PinnedArena();
  PinnedArena(const PinnedArena&) = delete;
  PinnedArena& operator=(const PinnedArena&) = delete;

  void* allocate(Bytes bytes);
  /// Only after the copies from and to the block are done.
  void release(void* data);
  bool is_pinned(const void* data) const;
  Bytes pinned_capacity() const { return layout_.capacity(); }
  Bytes pageable_bytes() const { return pageable_bytes_; }  // now in use beside the region

 private:
  void pin();

  Bytes cap_;
  bool tried_ = false;
  char* region_ = nullptr;
  ArenaLayout layout_;
  std::map<void*, Bytes> pageable_;
  Bytes pageable_bytes_ = 0;
};

}  // namespace moesaic::executor::cuda
