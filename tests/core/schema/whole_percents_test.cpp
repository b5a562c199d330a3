#include "core/schema/whole_percents.h"

#include <gtest/gtest.h>

namespace moesaic {
namespace {

TEST(WholePercents, AddUpToAHundred) {
  using Percents = std::vector<int>;
  EXPECT_EQ(whole_percents({917, 0, 83}), (Percents{92, 0, 8}));  // 91.7 and 8.3: 91 + 8, the one missing to .7
  EXPECT_EQ(whole_percents({1, 1, 1}), (Percents{34, 33, 33}));   // 33.3 each: ties to the first
  EXPECT_EQ(whole_percents({2, 2, 3}),
            (Percents{29, 28, 43}));                        // 28.57, 28.57, 42.86: two missing, to .86 and the first
  EXPECT_EQ(whole_percents({999, 1}), (Percents{100, 0}));  // 99.9 and 0.1
  EXPECT_EQ(whole_percents({5}), (Percents{100}));
  EXPECT_EQ(whole_percents({0, 0}), (Percents{0, 0}));
  EXPECT_EQ(whole_percents({}), Percents{});
}

}  // namespace
}  // namespace moesaic
