#include "planner/elastic/teams.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "core/schema/hash.h"

namespace moesaic::planner {
namespace {

int ranks_of(const std::vector<Team>& teams) {
  return std::accumulate(teams.begin(), teams.end(), 0, [](int sum, const Team& team) { return sum + team.ranks; });
}

int64_t round_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Oracle: every way to give each task its own ranks or a shared rank. owner[t] < 0: -owner[t] own ranks; else the
/// number of a shared rank. Least busiest share over all that use at most `ranks` ranks.
int64_t brute_force(const std::vector<int64_t>& batches, int ranks, size_t task, std::vector<int64_t> bins, int own,
                    int64_t busiest) {
  if (own + static_cast<int>(bins.size()) > ranks) return std::numeric_limits<int64_t>::max();
  if (task == batches.size()) {
    for (const int64_t fill : bins) busiest = std::max(busiest, fill);
    return busiest;
  }
  int64_t best = std::numeric_limits<int64_t>::max();
  for (int n = 1; own + n <= ranks; ++n)
    best = std::min(
        best, brute_force(batches, ranks, task + 1, bins, own + n, std::max(busiest, round_up(batches[task], n))));
  for (size_t bin = 0; bin < bins.size(); ++bin) {
    std::vector<int64_t> fuller = bins;
    fuller[bin] += batches[task];
    best = std::min(best, brute_force(batches, ranks, task + 1, fuller, own, busiest));
  }
  bins.push_back(batches[task]);
  return std::min(best, brute_force(batches, ranks, task + 1, bins, own, busiest));
}

// 512/256/128/128: 1/1/1/1 leaves 512 on the first rank; 8 ranks of 128 need 4/2/1/1.
TEST(Teams, AnswerSeMoesExample) {
  const std::vector<int64_t> batches = {512, 256, 128, 128};
  EXPECT_EQ(balanced_teams(batches, 8), (std::vector<Team>{{{0}, 4}, {{1}, 2}, {{2}, 1}, {{3}, 1}}));
  EXPECT_EQ(busiest_share(batches, balanced_teams(batches, 8)), 128);
  EXPECT_EQ(busiest_share(batches, even_teams(batches, 4)), 512);
  EXPECT_EQ(busiest_share(batches, even_teams(batches, 8)), 256);
  // 2:2 on two ranks: 512 against 256 + 128 + 128.
  EXPECT_EQ(balanced_teams(batches, 2), (std::vector<Team>{{{0}, 1}, {{1, 2, 3}, 1}}));
  // The fewest ranks with at most 256 each: 2 + 1 + 1.
  EXPECT_EQ(smallest_teams(batches, 256), (std::vector<Team>{{{0}, 2}, {{1}, 1}, {{2, 3}, 1}}));
}

TEST(Teams, AreAsBalancedAsAnyOfTheirKind) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    std::vector<int64_t> batches;
    for (uint64_t task = 0; task < 2 + seed % 4; ++task)
      batches.push_back(1 + static_cast<int64_t>(splitmix64(seed * 16 + task) % 24));
    for (int ranks = 1; ranks <= 7; ++ranks) {
      const std::vector<Team> teams = balanced_teams(batches, ranks);
      EXPECT_EQ(busiest_share(batches, teams), brute_force(batches, ranks, 0, {}, 0, 0)) << seed << ", " << ranks;
      const int64_t all = std::accumulate(batches.begin(), batches.end(), int64_t{0});
      EXPECT_EQ(ranks_of(teams), std::min<int64_t>(ranks, all));
    }
  }
}

// Speeds 2:1 and 9 sequences: 6 and 3 end together at 3. Oracle: all splits of small batches over three ranks.
TEST(Shares, FollowSpeeds) {
  EXPECT_EQ(shares_by_speed(9, {2, 1}), (std::vector<int64_t>{6, 3}));
  EXPECT_EQ(shares_by_speed(8, {1, 1, 1, 1}), (std::vector<int64_t>{2, 2, 2, 2}));
  const std::vector<double> speeds = {1, 0.5, 1.7};
  for (int64_t n = 3; n < 24; ++n) {
    double least = 1e9;
    for (int64_t a = 1; a < n; ++a)
      for (int64_t b = 1; a + b < n; ++b)
        least = std::min(least, std::max({static_cast<double>(a) / 1, static_cast<double>(b) / 0.5,
                                          static_cast<double>(n - a - b) / 1.7}));
    const std::vector<int64_t> shares = shares_by_speed(n, speeds);
    double found = 0;
    for (size_t rank = 0; rank < 3; ++rank) found = std::max(found, static_cast<double>(shares[rank]) / speeds[rank]);
    EXPECT_EQ(found, least) << n;
    EXPECT_EQ(shares[0] + shares[1] + shares[2], n);
  }
}

}  // namespace
}  // namespace moesaic::planner
