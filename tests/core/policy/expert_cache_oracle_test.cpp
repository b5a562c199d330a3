// The cache against the paper's pseudo-code as plain loops, and against a store that has no cache.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/policy/expert_cache.h"

namespace moesaic {
namespace {

using Kind = CacheAnswer::Kind;

/// SparseSchedule of the paper line by line: parallel lists in no order, scanned from end to end.
struct PlainCache {
  ExpertCacheSettings settings;
  std::vector<int64_t> ids;
  std::vector<double> hits;
  std::vector<bool> dirty;
  int64_t steps = 0;

  CacheAnswer sparse_schedule(int64_t p) {
    CacheAnswer answer;
    const auto found = std::find(ids.begin(), ids.end(), p);
    if (found != ids.end()) {
      hits[static_cast<size_t>(found - ids.begin())] += 1;
    } else if (static_cast<int64_t>(ids.size()) + 1 <= settings.capacity) {
      answer.kind = Kind::kAdmitted;
      append(p);
    } else {
      answer = replace(p);
    }
    steps += 1;
    if (steps == settings.period) {
      for (double& h : hits) h *= settings.decay;
      steps = 0;
    }
    return answer;
  }

  CacheAnswer replace(int64_t p) {
    size_t victim = ids.size();
    for (size_t pa = 0; pa < ids.size(); ++pa) {
      const bool is_min = hits[pa] == *std::min_element(hits.begin(), hits.end());
      if (hits[pa] >= settings.threshold && is_min && (victim == ids.size() || ids[pa] < ids[victim])) victim = pa;
    }
    if (victim == ids.size()) return {Kind::kBypassed, std::nullopt, false};
    const CacheAnswer answer{Kind::kAdmitted, ids[victim], dirty[victim]};
    const auto at = static_cast<std::ptrdiff_t>(victim);
    ids.erase(ids.begin() + at), hits.erase(hits.begin() + at), dirty.erase(dirty.begin() + at);
    append(p);
    return answer;
  }

  void append(int64_t p) { ids.push_back(p), hits.push_back(1), dirty.push_back(false); }

  std::vector<int64_t> flush() {
    std::vector<int64_t> written;
    for (size_t i = 0; i < ids.size(); ++i)
      if (dirty[i]) written.push_back(ids[i]), dirty[i] = false;
    std::sort(written.begin(), written.end());
    return written;
  }
};

class RandomTraces {
 public:
  explicit RandomTraces(unsigned seed) : random_(seed) {}
  int64_t below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }
  /// Skewed towards low ids: the minimum of two draws.
  int64_t id(int64_t n) { return std::min(below(n), below(n)); }
  ExpertCacheSettings settings() {
    const double thresholds[] = {0, 0.5, 1, 1.5, 2, 4}, decays[] = {0, 0.3, 0.5, 0.9, 1};
    return {below(12), thresholds[below(6)], decays[below(5)], 1 + below(40), below(5)};
  }

 private:
  std::mt19937_64 random_;
};

constexpr unsigned kTraces = 4000;

TEST(ExpertCacheOracle, AnswersAsThePseudoCodeOnRandomTraces) {
  int64_t evictions = 0, bypasses = 0;
  for (unsigned seed = 1; seed <= kTraces; ++seed) {
    RandomTraces random(seed);
    const ExpertCacheSettings settings = random.settings();
    const int64_t num_ids = 1 + random.below(24);
    ExpertCache cache(settings);
    PlainCache plain{settings, {}, {}, {}, 0};
    int64_t steps = 0;
    for (int operation = 0; operation < 150; ++operation) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", operation " + std::to_string(operation));
      const int64_t id = random.id(num_ids), what = random.below(10);
      if (what == 0) {
        const bool flushes = settings.flush_period > 0 && ++steps % settings.flush_period == 0;
        ASSERT_EQ(cache.end_step(), flushes ? plain.flush() : std::vector<int64_t>{});
      } else if (what <= 2) {
        const auto found = std::find(plain.ids.begin(), plain.ids.end(), id);
        ASSERT_EQ(cache.mark_dirty(id), found != plain.ids.end());
        if (found != plain.ids.end()) plain.dirty[static_cast<size_t>(found - plain.ids.begin())] = true;
      } else {
        const CacheAnswer expected = plain.sparse_schedule(id);
        ASSERT_EQ(cache.request(id), expected);
        evictions += expected.victim ? 1 : 0;
        bypasses += expected.kind == Kind::kBypassed ? 1 : 0;
      }
      if (operation % 50 == 0) cache = ExpertCache(settings, cache.state());
      ASSERT_LE(cache.entries().size(), static_cast<size_t>(settings.capacity));
      for (size_t i = 0; i < plain.ids.size(); ++i) ASSERT_EQ(cache.hits(plain.ids[i]), plain.hits[i]);
    }
    ASSERT_EQ(cache.drain(), plain.flush());
  }
  EXPECT_GT(evictions, 50000);  // the traces reach both rare answers
  EXPECT_GT(bypasses, 50000);
}

/// What a caller does with the answers: two tiers that hold version numbers.
struct ToyStore {
  std::vector<int64_t> storage, host;  // [ids] versions
  std::vector<int> dirtyings, writes;  // [ids]: clean to dirty, and write-backs from the cache
  ExpertCache cache;

  ToyStore(const ExpertCacheSettings& settings, size_t n)
      : storage(n), host(n, -1), dirtyings(n), writes(n), cache(settings) {}

  void write_back(int64_t id) {
    const auto i = static_cast<size_t>(id);
    storage[i] = host[i];
    ++writes[i];
  }
  /// One use of the states; the version that the caller sees.
  int64_t use(int64_t id) {
    const auto i = static_cast<size_t>(id);
    const CacheAnswer answer = cache.request(id);
    if (answer.kind == Kind::kHit) return host[i];
    if (answer.victim) {
      if (answer.victim_is_dirty) write_back(*answer.victim);
      host[static_cast<size_t>(*answer.victim)] = -1;  // its bytes are gone
    }
    if (answer.kind == Kind::kAdmitted) host[i] = storage[i];
    return storage[i];
  }
  void update(int64_t id) {
    const auto i = static_cast<size_t>(id);
    const bool was_dirty = cache.is_dirty(id);
    if (cache.mark_dirty(id)) {
      ++host[i];
      dirtyings[i] += was_dirty ? 0 : 1;
    } else {
      ++storage[i];
    }
  }
};

TEST(ExpertCacheOracle, NothingIsLostAndNothingIsWrittenTwice) {
  for (unsigned seed = 1; seed <= kTraces; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomTraces random(seed);
    const ExpertCacheSettings settings = random.settings();
    const auto num_ids = static_cast<size_t>(1 + random.below(24));
    ToyStore store(settings, num_ids);
    std::vector<int64_t> uncached(num_ids);
    for (int step = 0; step < 15; ++step) {
      for (int i = 0; i < 10; ++i) {
        const int64_t id = random.id(static_cast<int64_t>(num_ids));
        ASSERT_EQ(store.use(id), uncached[static_cast<size_t>(id)]);
        if (random.below(2) == 0) store.update(id), ++uncached[static_cast<size_t>(id)];
      }
      for (const int64_t id : store.cache.end_step()) store.write_back(id);
    }
    for (const int64_t id : store.cache.drain()) store.write_back(id);
    ASSERT_EQ(store.storage, uncached);
    ASSERT_EQ(store.writes, store.dirtyings);
  }
}

}  // namespace
}  // namespace moesaic
