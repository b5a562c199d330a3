#include "planner/layout/layout_space.h"

#include <gtest/gtest.h>

#include <set>

#include "planner/layout/enumerate.h"
#include "tests/planner/known_prices.h"

namespace moesaic::planner {
namespace {

std::vector<PlanChoices> legal_choices_of(const Problem& problem) {
  std::vector<PlanChoices> layouts;
  for_each_layout(problem, layout_values(problem), [&](const Plan& plan) {
    layouts.push_back(plan);
    return true;
  });
  return layouts;
}

// Every combination of the values, tried one by one with the predicate that plans are checked with, is visited, and
// nothing else.
TEST(LayoutSpace, IsEveryCombinationThatAPlanMayHave) {
  const Problem problem = testing::tiny_problem();
  const LayoutValues v = layout_values(problem);
  int64_t legal = 0;
  Layout layout;
  layout.ranks = 4;
  for (const int pp : v.pp)
    for (const int tp : v.tp)
      for (const int ep : v.ep)
        for (const int slices : v.expert_slices)
          for (const AllToAllKind kind : v.all_to_all)
            for (const int count : v.micro_batches)
              for (const int zero : v.zero)
                for (const int ahead : v.dense_prefetch)
                  for (const Recompute what : v.recompute)
                    for (const Embedding held : v.embedding) {
                      if (zero != 3 && ahead > 0) continue;
                      Plan plan = baseline_plan(problem, layout);
                      plan.layout = {4, ep, count, zero, tp, slices, what, pp};
                      plan.dispatch.all_to_all = kind;
                      plan.prefetch.dense = ahead;
                      plan.fused_parameter_bytes = zero == 3 ? 500'000'000 : 0;
                      plan.embedding = held;
                      legal += can_be_lowered(plan);
                    }
  EXPECT_EQ(static_cast<int64_t>(legal_choices_of(problem).size()), legal);
  EXPECT_GT(legal, 500);
}

TEST(LayoutSpace, KeepsWhatIsFixed) {
  Problem problem = testing::tiny_problem();
  problem.fixed.set(&Layout::zero, 1);
  problem.fixed.set(&Layout::ep, 2);
  for (const PlanChoices& choices : legal_choices_of(problem)) {
    EXPECT_EQ(choices.layout.zero, 1);
    EXPECT_EQ(choices.layout.ep, 2);
  }
}

TEST(LayoutSpace, EndsWhenItIsTold) {
  int seen = 0;
  const Problem problem = testing::tiny_problem();
  EXPECT_EQ(for_each_layout(problem, layout_values(problem), [&](const Plan&) { return ++seen < 3; }), 3);
}

}  // namespace
}  // namespace moesaic::planner
