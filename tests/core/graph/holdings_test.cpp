#include "core/graph/holdings.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/steps/baseline_step.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

// 3 runs of 4 elements, local offsets 2, 8, 14, logical 100, 110, 120. Local [4, 16) cuts two elements off the first
// run and keeps two of the last: logical 102..103, 110..113, 120..121; local offsets count from 4.
TEST(Clip, CutsTheFirstAndTheLastRun) {
  const Piece piece{"w", 100, 10, 2, 6, 4, 3};
  EXPECT_EQ(clip(piece, 4, 16),
            (std::vector<Piece>{{"w", 102, 0, 0, 0, 2, 1}, {"w", 110, 0, 4, 0, 4, 1}, {"w", 120, 0, 10, 0, 2, 1}}));
}

TEST(Clip, KeepsWholeRunsTogether) {
  const Piece piece{"w", 100, 10, 2, 6, 4, 3};
  EXPECT_EQ(clip(piece, 0, 100), std::vector<Piece>{piece});
  EXPECT_EQ(clip(piece, 8, 18), (std::vector<Piece>{{"w", 110, 10, 0, 6, 4, 2}}));
  EXPECT_TRUE(clip(piece, 6, 8).empty());
}

int64_t total_elements(const TaskGraph& graph, State state, bool primary_only) {
  int64_t elements = 0;
  for (int rank = 0; rank < graph.num_ranks; ++rank)
    for (const Holding& holding : holdings_of(graph, rank, state))
      for (const Piece& piece : holding.pieces)
        if (holding.primary || !primary_only) elements += piece.elements();
  return elements;
}

// tests/core/graph/tiny_plan.h: dense 16 + 32 + 16 + 64 + 192 + 16 + 128 = 464 elements (final_norm, router, norm2,
// out, qkv, norm1, embedding); experts 2 * 512. On 4 ranks with ep 2 dense elements exist 4 times, experts twice.
TEST(Holdings, PrimariesHoldEveryElementOnce) {
  const TaskGraph graph = baseline_step(testing::tiny_plan(4, 2));
  for (State state : {State::weight, State::first_moment, State::second_moment}) {
    EXPECT_EQ(total_elements(graph, state, true), 464 + 1024);
    EXPECT_EQ(total_elements(graph, state, false), 4 * 464 + 2 * 1024);
  }
}

TEST(Holdings, ExpertSlotsArePiecesOfTheirExperts) {
  const TaskGraph graph = baseline_step(testing::tiny_plan(2, 2));
  const auto up = std::find_if(graph.parameters.begin(), graph.parameters.end(),
                               [](const Parameter& p) { return p.name == "layers.0.experts.up"; });
  EXPECT_EQ(pieces_of(graph, *up, 1), (std::vector<Piece>{{"layers.0.experts.2.up", 0, 0, 0, 0, 128, 1},
                                                          {"layers.0.experts.3.up", 0, 0, 128, 0, 128, 1}}));
}

}  // namespace
}  // namespace moesaic
