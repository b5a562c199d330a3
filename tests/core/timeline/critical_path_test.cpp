#include "core/timeline/critical_path.h"

#include <gtest/gtest.h>

#include "tests/core/timeline/sample_timeline.h"

namespace moesaic {
namespace {

const std::vector<int> kBoth = {0, 1};
std::span<const int> both(TaskIndex, int) { return kBoth; }

// In milliseconds. The last task is the weight gradient of rank 1, [7, 10). Before it the dispatch ends at 7; its last
// member is rank 0, which comes at 3 while it computes attention until 4. So on rank 1 the dispatch counts from 3 to 7,
// and rank 0's attention from 0 to 3.
TEST(CriticalPath, GoesOnWithTheMemberThatCameLast) {
  const PathSeconds path = critical_path(sample_timeline(), both);
  ASSERT_EQ(path.size(), 3u);
  EXPECT_NEAR(path.at("products"), 0.003, 1e-15);
  EXPECT_NEAR(path.at("all_to_all"), 0.004, 1e-15);
  EXPECT_NEAR(path.at("attention"), 0.003, 1e-15);
}

// Rank 0 sums losses [14, 15) after its backward [12, 14), which waits for the message that rank 1 sends at 11 after
// forward [5, 7) and backward [7, 11); its input left rank 0 at 3, after forward [0, 3). Attention: 2 + 4 + 2 + 3.
TEST(CriticalPath, OfAPipelineGoesThroughItsStagesAndNoBubble) {
  EXPECT_EQ(critical_path(pipeline_timeline(), both),
            (PathSeconds{{"all_reduce", 1}, {"attention", 11}, {"stages", 1 + 2}}));
}

Timeline of_one_rank(std::vector<TaskTime> times) {
  Timeline timeline;
  timeline.rows = {{"experts", Op::experts, Lane::compute, Phase::forward, 0},
                   {"fetch", Op::fetch_experts, Lane::copy_in, Phase::forward, 0},
                   {"sum", Op::all_reduce, Lane::network, Phase::backward, 0}};
  timeline.times = std::move(times);
  return timeline;
}

// Experts [0, 4), fetch [1, 6), sum [5, 8), nothing until experts' gradients... [9, 10): what is hidden behind compute
// is not counted, and of what is open at once the network goes first: experts 4 + 1, fetch [4, 5), sum [5, 8).
TEST(CriticalPath, LeavesOutWhatIsHidden) {
  Timeline timeline = of_one_rank({{0, 0, 0, 4}, {0, 1, 1, 6}, {0, 2, 5, 8}, {0, 3, 9, 10}});
  timeline.rows.push_back({"gradients", Op::experts_dgrad, Lane::compute, Phase::backward, 0});
  EXPECT_EQ(critical_path(timeline, [](TaskIndex, int) { return std::span<const int>(); }),
            (PathSeconds{{"all_reduce", 3}, {"experts", 5}, {"idle", 1}, {"transfers", 1}}));
}

// Each rank is the last once: at 2 rank 1 comes, at 7 rank 0. Times are out of order, as a result may have them.
TEST(CriticalPath, SumsToTheSpanAndAscribesEveryWaitToWhoeverIsWaitedFor) {
  Timeline timeline;
  timeline.num_ranks = 2;
  timeline.rows = {{"a", Op::attention, Lane::compute, Phase::forward, 0},
                   {"x", Op::all_to_all, Lane::network, Phase::forward, 0},
                   {"e", Op::experts, Lane::compute, Phase::forward, 0},
                   {"y", Op::all_to_all, Lane::network, Phase::forward, 0}};
  timeline.times = {{1, 0, 0, 2}, {1, 1, 2, 3}, {1, 2, 3, 4}, {1, 3, 4, 8},
                    {0, 3, 7, 8}, {0, 2, 3, 7}, {0, 1, 1, 3}, {0, 0, 0, 1}};
  EXPECT_EQ(critical_path(timeline, both), (PathSeconds{{"all_to_all", 1 + 1}, {"attention", 2}, {"experts", 4}}));
}

TEST(CriticalPath, OfNothingIsEmpty) {
  EXPECT_TRUE(critical_path(Timeline{}, both).empty());
  EXPECT_EQ(what_bounds({}), "nothing");
}

// 61, 22, 9, 5, 2.8 and 0.2 of 100.
TEST(CriticalPath, InWordsNamesTheFourLargest) {
  EXPECT_EQ(
      what_bounds({{"experts", 61}, {"all_to_all", 22}, {"attention", 9}, {"products", 5}, {"idle", 2.8}, {"x", 0.2}}),
      "expert compute (61 % of the step); exposed all-to-all 22 %, attention 9 %, dense products 5 %");
  EXPECT_EQ(what_bounds({{"stages", 99.9}, {"x", 0.1}}), "exposed transfers between stages (100 % of the step)");
}

}  // namespace
}  // namespace moesaic
