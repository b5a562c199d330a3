#include "core/cost/kernel_grid.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"
#include "tests/core/cost/sample_tables.h"

namespace moesaic {
namespace {

// Every point takes 0.5 of its base, so every reading does, between lines as well as outside.
TEST(KernelGrid, ReadsTheFactorBetweenItsLines) {
  const KernelTable table = products_table(0.5);
  const KernelGrid grid(table, {sample_gpu()});
  EXPECT_NEAR(grid.floor(), 0.9e-6 * table.microseconds[0], 1e-18);
  for (const KernelGrid::Point at : {KernelGrid::Point{1, 64, 64}, {7, 100, 300}, {256, 1024, 1024}, {9, 64, 500}}) {
    EXPECT_NEAR(grid.read(at).factor, 0.5, 1e-12);
    EXPECT_TRUE(grid.read(at).inside);
  }
  EXPECT_NEAR(grid.read({1000, 64, 64}).factor, 0.5, 1e-12);
  EXPECT_FALSE(grid.read({1000, 64, 64}).inside);
  EXPECT_FALSE(grid.read({1, 63, 64}).inside);
}

// One point is twice as slow. Halfway to it in the logarithm of rows (4 between 1 and 16) the factor is the geometric
// mean of 0.5 and 1: sqrt(0.5).
TEST(KernelGrid, InterpolatesTheLogarithmOfTheFactor) {
  KernelTable table = products_table(0.5);
  const size_t at_16_64_64 = 9;
  table.microseconds[at_16_64_64] *= 2;
  const KernelGrid grid(table, {sample_gpu()});
  EXPECT_NEAR(grid.read({4, 64, 64}).factor, std::sqrt(0.5), 1e-12);
  EXPECT_NEAR(grid.read({16, 64, 64}).factor, 1, 1e-12);
}

// Without the point at 16 rows the reading there is that of the nearest point, and says that it was not measured;
// near 1 row the other corner counts alone.
TEST(KernelGrid, DoesWithoutPointsThatWereNotMeasured) {
  KernelTable table = products_table(0.5);
  table.microseconds[9] = 0;
  const KernelGrid grid(table, {sample_gpu()});
  EXPECT_NEAR(grid.read({16, 64, 64}).factor, 0.5, 1e-12);
  EXPECT_FALSE(grid.read({16, 64, 64}).inside);
  EXPECT_TRUE(grid.read({2, 64, 64}).inside);
}

// Lines 16 of rows and 256 of n are left out; where one of their points is twice as slow nobody sees it any more.
TEST(KernelGrid, LeavesLinesOut) {
  KernelTable table = products_table(0.5);
  table.microseconds[9] *= 2;
  KernelGrid grid(table, {sample_gpu()});
  grid.thin(0b011);
  EXPECT_NEAR(grid.read({16, 64, 64}).factor, 0.5, 1e-12);
}

TEST(KernelGrid, RefusesWhatItDoesNotKnow) {
  KernelTable table = products_table(0.5);
  table.op = "product";
  EXPECT_THROW(KernelGrid(table, {sample_gpu()}), InputError);
}

}  // namespace
}  // namespace moesaic
