#include "executor/cuda/pinned_arena.h"

#include <cuda_runtime_api.h>

#include <cstdlib>

#include "core/schema/error.h"

namespace moesaic::executor::cuda {
namespace {

constexpr Bytes kStep = 256;  // bytes: keeps every block aligned for the copy engines and for 16-byte vectors

Bytes rounded(Bytes bytes) { return (std::max<Bytes>(bytes, 1) + kStep - 1) / kStep * kStep; }

}  // namespace

ArenaLayout::ArenaLayout(Bytes capacity) : capacity_(capacity / kStep * kStep) {
  if (capacity_ > 0) gaps_[0] = capacity_;
}

std::optional<Bytes> ArenaLayout::take(Bytes bytes) {
  const Bytes needed = rounded(bytes);
  for (auto gap = gaps_.begin(); gap != gaps_.end(); ++gap) {
    const auto [offset, size] = *gap;
    if (size < needed) continue;
    gaps_.erase(gap);
    if (size > needed) gaps_[offset + needed] = size - needed;
    taken_[offset] = needed;
    used_ += needed;
    return offset;
  }
  return std::nullopt;
}

void ArenaLayout::give_back(Bytes offset) {
  const auto block = taken_.find(offset);
  MOESAIC_CHECK(block != taken_.end(), "no block starts at offset " + std::to_string(offset));
  Bytes from = offset, size = block->second;
  used_ -= size;
  taken_.erase(block);
  auto next = gaps_.lower_bound(from);
  if (next != gaps_.end() && next->first == from + size) {
    size += next->second;
    next = gaps_.erase(next);
  }
  if (next != gaps_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == from) {
      before->second += size;
      return;
    }
  }
  gaps_[from] = size;
}

PinnedArena::~PinnedArena() {
  for (const auto& [data, bytes] : pageable_) std::free(data);
  if (region_ != nullptr) (void)cudaFreeHost(region_);
}

/// A machine may refuse to lock the whole cap: half of it, down to a sixteenth, still serves most copies.
void PinnedArena::pin() {
  tried_ = true;
  for (Bytes bytes = cap_; bytes >= std::max(cap_ / 16, kStep); bytes /= 2) {
    void* data = nullptr;
    if (cudaHostAlloc(&data, static_cast<size_t>(bytes), cudaHostAllocPortable) == cudaSuccess) {
      region_ = static_cast<char*>(data);
      layout_ = ArenaLayout(bytes);
      return;
    }
    (void)cudaGetLastError();
  }
}

void* PinnedArena::allocate(Bytes bytes) {
  if (!tried_) pin();
  if (const std::optional<Bytes> offset = layout_.take(bytes)) return region_ + *offset;
  const Bytes size = rounded(bytes);
  void* data = std::aligned_alloc(static_cast<size_t>(kStep), static_cast<size_t>(size));
  if (data == nullptr) throw DeviceError("cuda: no host memory for " + format_bytes(static_cast<double>(bytes)));
  pageable_[data] = size;
  pageable_bytes_ += size;
  return data;
}

void PinnedArena::release(void* data) {
  if (is_pinned(data)) return layout_.give_back(static_cast<char*>(data) - region_);
  const auto block = pageable_.find(data);
  MOESAIC_CHECK(block != pageable_.end(), "the arena did not give out this block");
  pageable_bytes_ -= block->second;
  pageable_.erase(block);
  std::free(data);
}

bool PinnedArena::is_pinned(const void* data) const {
  const auto* at = static_cast<const char*>(data);
  return region_ != nullptr && at >= region_ && at < region_ + layout_.capacity();
}

}  // namespace moesaic::executor::cuda
