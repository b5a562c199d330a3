#include "core/policy/expert_cache.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"

namespace moesaic {
namespace {

using Kind = CacheAnswer::Kind;
using Ids = std::vector<int64_t>;

constexpr CacheAnswer kHit{Kind::kHit, std::nullopt, false}, kFetch{Kind::kAdmitted, std::nullopt, false},
    kBypass{Kind::kBypassed, std::nullopt, false};
CacheAnswer replace(int64_t victim, bool dirty = false) { return {Kind::kAdmitted, victim, dirty}; }

TEST(ExpertCache, FollowsAlgorithm2OnASmallTrace) {
  // Capacity 2, threshold 1, beta 0.5, K 6. After each request, hits:
  //  1: fetch 7                    {7: 1}
  //  2: fetch 3                    {3: 1, 7: 1}          both slots are used
  //  3: hit 7                      {3: 1, 7: 2}
  //  4: 5 replaces 3 (least: 1)    {5: 1, 7: 2}
  //  5: 3 replaces 5 (least: 1)    {3: 1, 7: 2}
  //  6: hit 3                      {3: 2, 7: 2}, then K: {3: 1, 7: 1}
  //  7: 9 replaces 3 (equal hits, lower id)  {7: 1, 9: 1}
  //  8: hit 7                      {7: 2, 9: 1}
  //  9: hit 7                      {7: 3, 9: 1}
  // 10..12: hits 7                 {7: 6, 9: 1}, then K: {7: 3, 9: 0.5}
  // 13: 4: least 0.5 < 1: bypass   {7: 3, 9: 0.5}
  // 14: hit 9                      {7: 3, 9: 1.5}
  // 15: 4 replaces 9 (1.5 >= 1)    {4: 1, 7: 3}
  ExpertCache cache({.capacity = 2, .threshold = 1, .decay = 0.5, .period = 6});
  const std::vector<std::pair<int64_t, CacheAnswer>> steps = {
      {7, kFetch}, {3, kFetch}, {7, kHit}, {5, replace(3)}, {3, replace(5)}, {3, kHit}, {9, replace(3)}, {7, kHit},
      {7, kHit},   {7, kHit},   {7, kHit}, {7, kHit},       {4, kBypass},    {9, kHit}, {4, replace(9)}};
  for (size_t i = 0; i < steps.size(); ++i) EXPECT_EQ(cache.request(steps[i].first), steps[i].second) << i + 1;
  EXPECT_EQ(cache.entries(), (Ids{4, 7}));
  EXPECT_EQ(cache.hits(4), 1);
  EXPECT_EQ(cache.hits(7), 3);
  EXPECT_EQ(cache.hits(9), 0);
  EXPECT_TRUE(cache.contains(7));
  EXPECT_FALSE(cache.contains(9));
}

TEST(ExpertCache, ABypassCountsTowardsTheDecayButLeavesNoHits) {
  // Threshold 2: entry 0 has 1 hit and is protected. K 3: after three requests its hit is worth 0.25.
  ExpertCache cache({.capacity = 1, .threshold = 2, .decay = 0.25, .period = 3});
  EXPECT_EQ(cache.request(0), kFetch);
  EXPECT_EQ(cache.request(1), kBypass);
  EXPECT_EQ(cache.request(1), kBypass);
  EXPECT_EQ(cache.hits(0), 0.25);
  EXPECT_EQ(cache.hits(1), 0);
}

TEST(ExpertCache, ReportsEveryDirtyEntryOnce) {
  ExpertCache cache({.capacity = 2, .threshold = 0, .decay = 1, .period = 100, .flush_period = 2});
  cache.request(1);
  cache.request(2);
  EXPECT_TRUE(cache.mark_dirty(2));
  EXPECT_TRUE(cache.mark_dirty(1));
  EXPECT_FALSE(cache.mark_dirty(3));              // not in host memory: the caller writes to storage
  EXPECT_EQ(cache.request(3), replace(1, true));  // equal hits: the lower id
  EXPECT_EQ(cache.request(1), replace(2, true));
  EXPECT_EQ(cache.end_step(), Ids{});  // first step of two; and 1 and 3 are clean
  EXPECT_TRUE(cache.mark_dirty(3));
  EXPECT_TRUE(cache.mark_dirty(1));
  EXPECT_EQ(cache.end_step(), (Ids{1, 3}));
  EXPECT_FALSE(cache.is_dirty(1));
  EXPECT_TRUE(cache.contains(1));  // a flushed entry stays
  EXPECT_TRUE(cache.mark_dirty(1));
  EXPECT_EQ(cache.drain(), Ids{1});
  EXPECT_EQ(cache.drain(), Ids{});
}

TEST(ExpertCache, WithoutAFlushPeriodOnlyDrainWrites) {
  ExpertCache cache({.capacity = 1});
  cache.request(0);
  EXPECT_TRUE(cache.mark_dirty(0));
  for (int step = 0; step < 10; ++step) EXPECT_EQ(cache.end_step(), Ids{});
  EXPECT_EQ(cache.drain(), Ids{0});
}

TEST(ExpertCache, WithoutCapacityEverythingIsBypassed) {
  ExpertCache cache({.capacity = 0});
  EXPECT_EQ(cache.request(0), kBypass);
  EXPECT_EQ(cache.request(0), kBypass);
  EXPECT_EQ(cache.entries(), Ids{});
}

TEST(ExpertCache, ItsStateIsTheWholeOfIt) {
  const ExpertCacheSettings settings{.capacity = 2, .threshold = 0, .decay = 0.5, .period = 4, .flush_period = 3};
  ExpertCache cache(settings);
  for (const int64_t id : {5, 6, 6}) cache.request(id);
  EXPECT_TRUE(cache.mark_dirty(6));
  EXPECT_EQ(cache.end_step(), Ids{});
  EXPECT_EQ(cache.state(), (ExpertCache::State{{5, 6}, {1, 2}, {0, 1}, 3, 1}));
  ExpertCache restored(settings, cache.state());
  for (ExpertCache* one : {&cache, &restored}) {
    EXPECT_EQ(one->request(7), replace(5));
    EXPECT_EQ(one->hits(6), 1);  // the fourth request: 2 * 0.5
    EXPECT_EQ(one->end_step(), Ids{});
    EXPECT_EQ(one->end_step(), Ids{6});
  }
}

TEST(ExpertCache, RefusesWhatCannotBe) {
  EXPECT_THROW(ExpertCache({.capacity = -1}), InvariantError);
  EXPECT_THROW(ExpertCache({.capacity = 1, .threshold = -1}), InvariantError);
  EXPECT_THROW(ExpertCache({.capacity = 1, .decay = 1.5}), InvariantError);
  EXPECT_THROW(ExpertCache({.capacity = 1, .period = 0}), InvariantError);
  EXPECT_THROW(ExpertCache({.capacity = 1, .flush_period = -1}), InvariantError);
  EXPECT_THROW(ExpertCache({.capacity = 1}).request(-1), InvariantError);
  const auto restore = [](const ExpertCache::State& state) { ExpertCache({.capacity = 1, .period = 9}, state); };
  EXPECT_NO_THROW(restore({{1}, {1}, {0}, 8, 0}));
  EXPECT_THROW(restore({{1, 2}, {1, 1}, {0, 0}, 0, 0}), InvariantError);  // more than the capacity
  EXPECT_THROW(restore({{1}, {}, {0}, 0, 0}), InvariantError);
  EXPECT_THROW(restore({{1}, {1}, {0}, 9, 0}), InvariantError);
}

}  // namespace
}  // namespace moesaic
