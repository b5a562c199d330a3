#pragma once
// What Algorithm 2 is compared with: policies that answer the same requests. They track no dirty entries, so they
// serve studies of hit rates, not the executor.

#include <memory>
#include <span>

#include "core/policy/expert_cache.h"
#include "core/schema/routing.h"

namespace moesaic {

/// The weakest form of routing that all of them accept: which experts have rows, drawn or recorded.
inline constexpr RoutingForm kEvictionReads = RoutingForm::generator;

class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;
  virtual CacheAnswer request(int64_t id) = 0;
};

/// The least recently requested entry leaves.
std::unique_ptr<EvictionPolicy> make_lru(int64_t capacity);

/// The entry with the fewest requests since its admission leaves, the least recently requested among equals.
std::unique_ptr<EvictionPolicy> make_lfu(int64_t capacity);

/// Belady's MIN with bypass, which knows the future: the entry whose next request is farthest leaves, and a request
/// that is itself the farthest is not admitted. No policy has more hits. Requests must be those of `trace`, in order.
std::unique_ptr<EvictionPolicy> make_min(int64_t capacity, std::span<const int64_t> trace);

std::unique_ptr<EvictionPolicy> make_algorithm_2(const ExpertCacheSettings& settings);

}  // namespace moesaic
