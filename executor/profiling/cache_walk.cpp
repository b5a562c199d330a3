#include <algorithm>

#include "executor/profiling/operator_run.h"

namespace moesaic::executor {
namespace {

// What is read lands here, so that reading evicts little more than it brings.
constexpr Bytes kLandingBytes = Bytes{1} << 16;

}  // namespace

CacheWalk::CacheWalk(const Machine& machine, int ranks, Backend& backend)
    : backend_(backend),
      core_bytes_(backend.cache_bytes() > 0 ? backend.cache_bytes() : machine.core_cache_bytes),
      share_bytes_(backend.cache_bytes() > 0 ? core_bytes_ : machine.last_cache_bytes / ranks),
      last_bytes_(backend.cache_bytes() > 0 ? core_bytes_ : std::max(machine.last_cache_bytes, core_bytes_)),
      target_(backend.allocate(kLandingBytes)) {}

CacheWalk::~CacheWalk() {
  if (memory_ != nullptr) backend_.release(memory_);
  backend_.release(target_);
}

int CacheWalk::level_of(Bytes age) const {
  // Results come from memory that earlier tasks gave back, some tasks ago.
  if (age == kFresh) return 1;
  return age < core_bytes_ ? 0 : age < share_bytes_ ? 1 : 2;
}

void CacheWalk::read(const void* data, Bytes bytes) {
  for (Bytes at = 0; at < bytes; at += kLandingBytes)
    backend_.copy(Lane::compute, target_, static_cast<const char*>(data) + at, std::min(kLandingBytes, bytes - at));
}

void CacheWalk::empty(Bytes cache) {
  if (bytes_ < cache) {
    if (memory_ != nullptr) backend_.release(memory_);
    memory_ = backend_.allocate(bytes_ = cache);
    const std::vector<char> ones(static_cast<size_t>(cache), 1);  // untouched pages would all be the same zeros
    backend_.copy(Lane::compute, memory_, ones.data(), cache);
  }
  read(memory_, cache);
}

void CacheWalk::empty_core_cache() { empty(std::min(2 * core_bytes_, last_bytes_)); }
void CacheWalk::empty_all_caches() { empty(last_bytes_); }

}  // namespace moesaic::executor
