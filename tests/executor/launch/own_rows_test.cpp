#include "executor/launch/own_rows.h"

#include <gtest/gtest.h>

namespace moesaic::executor {
namespace {

// 2 sources, 2 ranks of 2 slots. Source 0 has 3, 1, 2, 4 rows for them, source 1 has 5, 0, 1, 2. Rank 1's slots take
// rows 4 and 5, and 6 to 9 of source 0, row 5, and 6 and 7 of source 1; they stand there [slot][source]: 2 rows of
// source 0, 1 of source 1, then 4 and 2.
TEST(OwnRows, StandInTheOrderOfSlotsThenSources) {
  SlotCounts counts(2, 2, 2);
  const int64_t rows[2][4] = {{3, 1, 2, 4}, {5, 0, 1, 2}};
  for (int source = 0; source < 2; ++source)
    for (int slot = 0; slot < 4; ++slot) counts.at(source, slot) = rows[source][slot];
  EXPECT_EQ(own_rows(counts, 1), (std::vector<OwnRows>{{4, 2, 0}, {6, 4, 3}, {5, 1, 2}, {6, 2, 7}}));
  EXPECT_EQ(own_rows(counts, 0), (std::vector<OwnRows>{{0, 3, 0}, {3, 1, 8}, {0, 5, 3}, {5, 0, 9}}));
}

// One source: what an all-to-all of one rank would place, shifted to the rank's first slot.
TEST(OwnRows, OfOneSourceAreAStretch) {
  SlotCounts counts(1, 2, 1);
  counts.at(0, 0) = 3, counts.at(0, 1) = 4;
  EXPECT_EQ(own_rows(counts, 1), (std::vector<OwnRows>{{3, 4, 0}}));
}

}  // namespace
}  // namespace moesaic::executor
