#include "executor/cuda/size_class_cache.h"

#include <bit>

namespace moesaic::executor::cuda {

Bytes size_class(Bytes bytes) {
  constexpr Bytes kSmallest = 512;  // bytes: the granularity of cudaMalloc
  if (bytes <= kSmallest) return kSmallest;
  const Bytes step = static_cast<Bytes>(std::bit_floor(static_cast<uint64_t>(bytes))) / 8;
  return (bytes + step - 1) / step * step;
}

void SizeClassCache::put(void* data, Bytes block_bytes, const Fence& fence) {
  blocks_[block_bytes].push_back({data, fence});
  held_bytes_ += block_bytes;
}

SizeClassCache::Block SizeClassCache::take(Bytes block_bytes) {
  const auto blocks = blocks_.find(block_bytes);
  if (blocks == blocks_.end() || blocks->second.empty()) return {};
  const Block block = blocks->second.front();
  blocks->second.pop_front();
  held_bytes_ -= block_bytes;
  return block;
}

std::vector<void*> SizeClassCache::drain() {
  std::vector<void*> all;
  for (const auto& [bytes, blocks] : blocks_)
    for (const Block& block : blocks) all.push_back(block.data);
  blocks_.clear();
  held_bytes_ = 0;
  return all;
}

}  // namespace moesaic::executor::cuda
