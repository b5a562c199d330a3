#include "core/policy/eviction_policy.h"

#include <limits>
#include <unordered_map>

#include "core/schema/error.h"

namespace moesaic {
namespace {

const CacheAnswer kBypass{CacheAnswer::Kind::kBypassed, std::nullopt, false};

/// Entries by a key; the one with the least key leaves. The policies below differ only in the key.
class LeastKeyCache {
 public:
  using Key = std::pair<int64_t, int64_t>;
  explicit LeastKeyCache(int64_t capacity) : capacity_(capacity) {}

  const Key* find(int64_t id) const {  // null: not an entry
    const auto found = keys_.find(id);
    return found == keys_.end() ? nullptr : &found->second;
  }
  bool full() const { return static_cast<int64_t>(keys_.size()) == capacity_; }
  bool beats_least(const Key& key) const { return !order_.empty() && order_.begin()->first < key; }

  void assign(int64_t id, const Key& key) {
    if (const Key* old = find(id)) order_.erase({*old, id});
    keys_[id] = key;
    order_.emplace(key, id);
  }

  CacheAnswer admit(int64_t id, const Key& key) {
    if (capacity_ == 0) return kBypass;
    CacheAnswer answer{CacheAnswer::Kind::kAdmitted, std::nullopt, false};
    if (full()) {
      answer.victim = order_.begin()->second;
      keys_.erase(*answer.victim);
      order_.erase(order_.begin());
    }
    assign(id, key);
    return answer;
  }

 private:
  int64_t capacity_;
  std::unordered_map<int64_t, Key> keys_;
  std::set<std::pair<Key, int64_t>> order_;
};

class Lru final : public EvictionPolicy {
 public:
  explicit Lru(int64_t capacity) : cache_(capacity) {}
  CacheAnswer request(int64_t id) override {
    ++time_;
    if (!cache_.find(id)) return cache_.admit(id, {time_, 0});
    cache_.assign(id, {time_, 0});
    return {};
  }

 private:
  LeastKeyCache cache_;
  int64_t time_ = 0;
};

class Lfu final : public EvictionPolicy {
 public:
  explicit Lfu(int64_t capacity) : cache_(capacity) {}
  CacheAnswer request(int64_t id) override {
    ++time_;
    const LeastKeyCache::Key* key = cache_.find(id);
    if (!key) return cache_.admit(id, {1, time_});
    cache_.assign(id, {key->first + 1, time_});
    return {};
  }

 private:
  LeastKeyCache cache_;
  int64_t time_ = 0;
};

/// When each request's id is requested again; `never` where it is not. [requests]
std::vector<int64_t> next_requests(std::span<const int64_t> trace, int64_t never) {
  std::vector<int64_t> next(trace.size(), never);
  std::unordered_map<int64_t, int64_t> last;
  for (size_t i = trace.size(); i-- > 0;) {
    if (const auto found = last.find(trace[i]); found != last.end()) next[i] = found->second;
    last[trace[i]] = static_cast<int64_t>(i);
  }
  return next;
}

class Min final : public EvictionPolicy {
 public:
  Min(int64_t capacity, std::span<const int64_t> trace)
      : cache_(capacity),
        trace_(trace.begin(), trace.end()),
        next_(next_requests(trace, std::numeric_limits<int64_t>::max())) {}

  CacheAnswer request(int64_t id) override {
    MOESAIC_CHECK(time_ < trace_.size() && trace_[time_] == id, "MIN is asked what its trace says");
    const LeastKeyCache::Key key{-next_[time_++], 0};
    if (cache_.find(id)) {
      cache_.assign(id, key);
      return {};
    }
    return cache_.full() && !cache_.beats_least(key) ? kBypass : cache_.admit(id, key);
  }

 private:
  LeastKeyCache cache_;
  std::vector<int64_t> trace_, next_;  // [requests]
  size_t time_ = 0;
};

class Algorithm2 final : public EvictionPolicy {
 public:
  explicit Algorithm2(const ExpertCacheSettings& settings) : cache_(settings) {}
  CacheAnswer request(int64_t id) override { return cache_.request(id); }

 private:
  ExpertCache cache_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_lru(int64_t capacity) { return std::make_unique<Lru>(capacity); }
std::unique_ptr<EvictionPolicy> make_lfu(int64_t capacity) { return std::make_unique<Lfu>(capacity); }
std::unique_ptr<EvictionPolicy> make_min(int64_t capacity, std::span<const int64_t> trace) {
  return std::make_unique<Min>(capacity, trace);
}
std::unique_ptr<EvictionPolicy> make_algorithm_2(const ExpertCacheSettings& settings) {
  return std::make_unique<Algorithm2>(settings);
}

}  // namespace moesaic
