#include "core/policy/eviction_policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/policy/expert_predictor.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

using Kind = CacheAnswer::Kind;
using Trace = std::vector<int64_t>;

/// 'h' hit, 'b' bypass, '+' admitted into a free slot, a digit: the victim.
std::string answers(EvictionPolicy& policy, const Trace& trace) {
  std::string text;
  for (const int64_t id : trace) {
    const CacheAnswer answer = policy.request(id);
    const std::string admitted = answer.victim ? std::to_string(*answer.victim) : "+";
    text += answer.kind == Kind::kHit ? "h" : answer.kind == Kind::kBypassed ? "b" : admitted;
  }
  return text;
}

int64_t hits(EvictionPolicy& policy, const Trace& trace) {
  return std::count_if(trace.begin(), trace.end(), [&](int64_t id) { return policy.request(id).kind == Kind::kHit; });
}

// Capacity 2, requests 1 2 1 3 2 1.
TEST(EvictionPolicy, EachEvictsByItsOwnRule) {
  const Trace trace = {1, 2, 1, 3, 2, 1};
  EXPECT_EQ(answers(*make_lru(2), trace), "++h213");         // 3 drives out 2, 2 drives out 1, 1 drives out 3
  EXPECT_EQ(answers(*make_lfu(2), trace), "++h23h");         // 1 has two requests and stays
  EXPECT_EQ(answers(*make_min(2, trace), trace), "++hbhh");  // 3 never returns: not admitted
  EXPECT_EQ(answers(*make_algorithm_2({.capacity = 2}), trace), "++h23h");
}

TEST(EvictionPolicy, LfuBreaksTiesByAge) {
  // 5 and 1 have one request each, 5 is older; Algorithm 2 takes the lower id.
  EXPECT_EQ(answers(*make_lfu(2), {5, 1, 9}), "++5");
  EXPECT_EQ(answers(*make_algorithm_2({.capacity = 2}), {5, 1, 9}), "++1");
}

TEST(EvictionPolicy, WithoutCapacityNothingIsAdmitted) {
  const Trace trace = {1, 1};
  EXPECT_EQ(answers(*make_lru(0), trace), "bb");
  EXPECT_EQ(answers(*make_lfu(0), trace), "bb");
  EXPECT_EQ(answers(*make_min(0, trace), trace), "bb");
}

TEST(EvictionPolicy, MinRefusesAnotherTrace) {
  const Trace trace = {1, 2};
  EXPECT_THROW(make_min(1, trace)->request(2), InvariantError);
}

/// The most hits of any policy: after each request, any subset of the entries and the requested id may stay.
int64_t most_hits(const Trace& trace, size_t at, std::vector<int64_t> kept, size_t capacity) {
  if (at == trace.size()) return 0;
  const int64_t id = trace[at];
  if (std::find(kept.begin(), kept.end(), id) != kept.end()) return 1 + most_hits(trace, at + 1, kept, capacity);
  int64_t best = most_hits(trace, at + 1, kept, capacity);  // bypass
  if (kept.size() < capacity) {
    kept.push_back(id);
    return std::max(best, most_hits(trace, at + 1, kept, capacity));
  }
  for (int64_t& slot : kept) {
    const int64_t victim = slot;
    slot = id;
    best = std::max(best, most_hits(trace, at + 1, kept, capacity));
    slot = victim;
  }
  return best;
}

TEST(EvictionPolicy, MinHasTheMostHitsThatAreThere) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 300; ++i) {
    Trace trace(10);
    for (int64_t& id : trace) id = static_cast<int64_t>(random() % 5);
    const auto capacity = static_cast<int64_t>(1 + random() % 3);
    const int64_t best = most_hits(trace, 0, {}, static_cast<size_t>(capacity));
    ASSERT_EQ(hits(*make_min(capacity, trace), trace), best) << i;
    ASSERT_LE(hits(*make_lru(capacity), trace), best) << i;
    ASSERT_LE(hits(*make_lfu(capacity), trace), best) << i;
  }
}

/// LRU as a list whose front was requested last.
TEST(EvictionPolicy, LruKeepsTheLastDistinctIds) {
  std::mt19937_64 random(2);
  for (size_t capacity = 1; capacity <= 6; ++capacity) {
    const auto lru = make_lru(static_cast<int64_t>(capacity));
    Trace list;
    for (int i = 0; i < 2000; ++i) {
      const auto id = static_cast<int64_t>(random() % 9);
      const auto found = std::find(list.begin(), list.end(), id);
      ASSERT_EQ(lru->request(id).kind == Kind::kHit, found != list.end());
      if (found != list.end()) list.erase(found);
      list.insert(list.begin(), id);
      if (list.size() > capacity) list.pop_back();
    }
  }
}

TEST(ExpertPredictor, NamesTheExpertsThatHadRows) {
  EXPECT_EQ(predict_active_experts(Trace{0, 3, 0, 1}), (Trace{1, 3}));
  EXPECT_EQ(predict_active_experts(Trace{0, 0}), Trace{});
}

}  // namespace
}  // namespace moesaic
