#include "executor/profiling/sample.h"

#include <gtest/gtest.h>

#include "executor/comm/threads.h"
#include "executor/profiling/bench.h"

namespace moesaic::executor {
namespace {

// Of 8 s one may lose 5 %, 0.4 s, and the 3 us of the clocks; of 8 us, 0.4 and 3 us.
TEST(Sample, IsDisturbedWhereOthersHadTheCore) {
  EXPECT_EQ(sample_of(8, 7.75, 0), (Sample{8, 0.25, false}));
  EXPECT_EQ(sample_of(8, 7.5, 0), (Sample{8, 0.5, true}));
  EXPECT_EQ(sample_of(8, 8, 1), (Sample{8, 0, true}));
  EXPECT_EQ(sample_of(8, 8.5, 0), (Sample{8, 0, false}));  // clocks of two kinds
  EXPECT_FALSE(sample_of(8e-6, 5e-6, 0).disturbed);
  EXPECT_TRUE(sample_of(8e-6, 4e-6, 0).disturbed);
}

TEST(Sample, KeepsTheUndisturbedOnes) {
  EXPECT_EQ(kept_seconds({{3, 0, false}, {9, 5, true}, {2, 0, false}}), (std::vector<Seconds>{3, 2}));
  EXPECT_EQ(kept_seconds({{9, 5, true}, {7, 4, true}}), (std::vector<Seconds>{4, 3}));  // 9 - 5, 7 - 4
}

TEST(Sample, MedianIsTheUpperMiddle) {
  EXPECT_EQ(median({5, 1, 3}), 3);
  EXPECT_EQ(median({5, 1, 3, 4}), 4);
  EXPECT_EQ(least({5, 1, 3}), 1);
}

// Rank 0: 1 s, of it 0.5 lost; rank 1: 3 s, disturbed. Mean (1 + 3) / 2 and (0.5 + 0) / 2.
TEST(Bench, MakesOneSampleOfAllRanks) {
  run_on_threads(2, 2, [](int rank, Transport& transport) {
    Bench bench(transport);
    const Sample own = rank == 0 ? Sample{1, 0.5, false} : Sample{3, 0, true};
    EXPECT_EQ(bench.mean_over_ranks(own), (Sample{2, 0.25, true}));
    EXPECT_EQ(bench.slowest_of_ranks(own), (Sample{3, 0, true}));
    EXPECT_EQ(bench.max_over_ranks(rank), 1);
  });
}

// What one rank loses to another belongs to the measurement.
TEST(Bench, TellsNoDisturbanceWhereRanksShareCores) {
  run_on_threads(2, 2, [](int rank, Transport& transport) {
    Bench bench(transport, rank == 0);
    const Sample own = rank == 0 ? Sample{1, 0.5, true} : Sample{3, 1, true};
    EXPECT_EQ(bench.mean_over_ranks(own), (Sample{2, 0.75, false}));
    EXPECT_EQ(bench.slowest_of_ranks(own), (Sample{3, 1, false}));
  });
}

}  // namespace
}  // namespace moesaic::executor
