#pragma once
// Released device blocks by size class, each with the events that must pass before it may be used again. It allocates
// nothing and asks no device: whoever takes a block waits for its fence.

#include <array>
#include <deque>
#include <map>
#include <vector>

#include "executor/backend/backend.h"

namespace moesaic::executor::cuda {

/// The last event of every lane that used a block, at the time of its release; kNoEvent where a lane had no work with
/// it.
inline constexpr Event kNoEvent = 0;
using Fence = std::array<Event, kNumLanes>;

/// The size that is allocated for `bytes`: eight classes per power of two, so at most 1/8 is wasted; 512 bytes at
/// least.
Bytes size_class(Bytes bytes);

class SizeClassCache {
 public:
  struct Block {
    void* data = nullptr;
    Fence fence{};
  };
  void put(void* data, Bytes block_bytes, const Fence& fence);
  /// The block of exactly this class that was released first; without data when there is none.
  Block take(Bytes block_bytes);
  /// Empties the cache. The caller has waited for every lane.
  std::vector<void*> drain();

  Bytes held_bytes() const { return held_bytes_; }

 private:
  std::map<Bytes, std::deque<Block>> blocks_;  // by class, in the order of release
  Bytes held_bytes_ = 0;
};

}  // namespace moesaic::executor::cuda
