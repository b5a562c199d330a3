#include "core/routing/drawn_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace moesaic {
namespace {

int64_t sum_of(const std::vector<int64_t>& rows) { return std::accumulate(rows.begin(), rows.end(), int64_t{0}); }

// 8 experts, top 2: a stride of 4. Token t takes t and t + 4, modulo 8: 8 tokens give every expert 2 rows. One token
// takes experts 0 and 4, two tokens 0, 4 and 2, 6.
TEST(DrawnRows, BalancedTokensStandAStrideApart) {
  EXPECT_EQ(balanced_rows(8, 8, 2, 1), std::vector<int64_t>(8, 2));
  EXPECT_EQ(balanced_rows(1, 8, 2, 1), (std::vector<int64_t>{1, 0, 0, 0, 1, 0, 0, 0}));
  EXPECT_EQ(balanced_rows(2, 8, 2, 1), (std::vector<int64_t>{1, 0, 1, 0, 1, 0, 1, 0}));
  EXPECT_EQ(balanced_rows(8, 8, 2, 4), (std::vector<int64_t>{2, 2}));
}

// All choices are there, no expert has more rows than tokens, and the same seed draws the same.
TEST(DrawnRows, PowerLawsKeepEveryChoice) {
  for (const int64_t tokens : {1, 3, 16, 1000, 16384})
    for (const double alpha : {0.6, 1.01, 1.2})
      for (const uint64_t draw : {0, 1, 2}) {
        const std::vector<int64_t> rows = power_law_rows(tokens, 64, 4, 1, alpha, draw);
        EXPECT_EQ(sum_of(rows), 4 * tokens) << tokens << " " << alpha;
        EXPECT_LE(*std::max_element(rows.begin(), rows.end()), tokens);
        EXPECT_GE(*std::min_element(rows.begin(), rows.end()), 0);
        EXPECT_EQ(rows, power_law_rows(tokens, 64, 4, 1, alpha, draw));
      }
}

// Of 8 groups the hottest has at least its share; with one group there is no other.
TEST(DrawnRows, TheGroupIsTheHottest) {
  for (const uint64_t draw : {0, 1, 2, 3}) EXPECT_GE(sum_of(power_law_rows(1024, 64, 4, 8, 1.2, draw)), 4 * 1024 / 8);
}

}  // namespace
}  // namespace moesaic
