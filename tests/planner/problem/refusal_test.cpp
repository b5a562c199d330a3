#include "planner/problem/refusal.h"

#include <gtest/gtest.h>

namespace moesaic::planner {
namespace {

Refusal short_of_memory(Bytes needs) {
  return {"states of one rank take too much", "states do not fit", needs, 80'000'000'000, "on the device"};
}

TEST(Refusals, AreToldOnceForEachLimitWithTheNearestLayout) {
  const std::vector<RefusedLayout> refused = {
      {"ep 1", short_of_memory(400'000'000'000)},      {"ep 2, tp 2", refused_for("no rank holds an expert")},
      {"ep 8, tp 2", short_of_memory(93'100'000'000)}, {"ep 4, tp 2", refused_for("no rank holds an expert")},
      {"ep 2", short_of_memory(200'000'000'000)},      {"ep 3", refused_for("three")}};
  EXPECT_EQ(grouped(refused),
            (std::vector<std::string>{
                "3 layouts: states do not fit; nearest: ep 8, tp 2 needs 93.1 GB of 80 GB on the device",
                "2 layouts: no rank holds an expert; the first: ep 2, tp 2", "ep 3: three"}));
  ASSERT_NE(nearest_to_fit(refused), nullptr);
  EXPECT_EQ(nearest_to_fit(refused)->layout, "ep 8, tp 2");
}

TEST(Refusals, AloneHasItsReason) {
  const std::vector<RefusedLayout> refused = {{"ep 1", short_of_memory(400'000'000'000)}};
  EXPECT_EQ(grouped(refused), std::vector<std::string>{"ep 1: states of one rank take too much"});
}

TEST(Refusals, OfNoMemoryHaveNoNearestLayout) {
  const std::vector<RefusedLayout> refused = {{"ep 1", not_looked_at()}};
  EXPECT_EQ(nearest_to_fit(refused), nullptr);
  EXPECT_TRUE(grouped({}).empty());
  EXPECT_TRUE(refused_for("").empty());
}

}  // namespace
}  // namespace moesaic::planner
