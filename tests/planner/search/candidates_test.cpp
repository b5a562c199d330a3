#include "planner/search/candidates.h"

#include <gtest/gtest.h>

#include "core/technique/lower.h"
#include "tests/planner/known_prices.h"

namespace moesaic::planner {
namespace {

using testing::tiny_problem;
using Names = std::vector<std::string>;

// 8 slots on 4 ranks: the hottest of 4 experts gets most of the spare ones, more than there are ranks to hold it.
constexpr const char* kMendedEplb = "eplb, a replica slot per rank (1 slot mended that repeated an expert on its rank)";

Names candidate_names(const Problem& problem, const Layout& layout, const std::string& what) {
  Names names;
  for (const DecisionSpace& space : decision_spaces(problem, baseline_plan(problem, layout)))
    if (space.what == what)
      for (const Choice& choice : space.choices) names.push_back(choice.name);
  return names;
}

// DeepSpeed: 5e8 elements of 4 bytes; Megatron: 40e6 elements.
TEST(Candidates, BaselinesComeFirst) {
  const Problem problem = tiny_problem();
  EXPECT_EQ(candidate_names(problem, {4, 4, 1}, "gradient buckets"),
            (Names{"one collective per gradient", "buckets of 2 GB (DeepSpeed's default: 500M elements)",
                   "buckets of 160 MB (Megatron's default: 40M elements)", "buckets of 1 MB", "buckets of 4 MB",
                   "buckets of 16 MB", "buckets of 64 MB"}));
  EXPECT_EQ(candidate_names(problem, {4, 4, 1}, "all-to-all"), (Names{"flat", "hierarchical_2d", "node_limited"}));
  EXPECT_EQ(candidate_names(problem, {4, 4, 1}, "expert placement"),
            (Names{"contiguous", "lpt", "eplb", "local_search", kMendedEplb, "local_search, a replica slot per rank"}));
  EXPECT_EQ(candidate_names(problem, {4, 4, 1}, "chunks"), (Names{"1 chunk", "2 chunks", "4 chunks", "8 chunks"}));
}

// Rows that no token fills are no token's to send once.
TEST(Candidates, PaddedRowsGoOncePerChoice) {
  Problem problem = tiny_problem();
  problem.fixed.set(&Dispatch::kind, DispatchKind::padded);
  problem.fixed.set(&Dispatch::capacity_factor, 1.25);
  EXPECT_EQ(candidate_names(problem, {4, 4, 1}, "all-to-all"), (Names{"flat", "hierarchical_2d"}));
}

TEST(Candidates, WhereNothingTravelsThereIsNothingToChoose) {
  const Problem problem = tiny_problem();
  EXPECT_EQ(candidate_names(problem, {4, 1, 1}, "chunks"), (Names{"1 chunk"}));
  EXPECT_EQ(candidate_names(problem, {4, 1, 1}, "expert placement"), (Names{"contiguous"}));
  EXPECT_EQ(candidate_names(problem, {4, 2, 1}, "all-to-all"), (Names{"flat"}));  // inside one node
  EXPECT_EQ(candidate_names(problem, {1, 1, 1}, "gradient buckets"), (Names{"one collective per gradient"}));
}

TEST(Candidates, InferenceMayReplicateExpertsToo) {
  Problem problem = tiny_problem();
  problem.workload.phase = WorkloadPhase::prefill;
  EXPECT_EQ(candidate_names(problem, {4, 4, 1}, "expert placement"),
            (Names{"contiguous", "lpt", "eplb", "local_search", kMendedEplb, "local_search, a replica slot per rank"}));
  EXPECT_EQ(candidate_names(problem, {4, 4, 1}, "gradient buckets"), Names{});
}

// 16 sequences over 4 ranks and 4 microbatches in decode: one token each.
TEST(Candidates, NoChunkIsEmpty) {
  Problem problem = tiny_problem();
  problem.workload.phase = WorkloadPhase::decode;
  EXPECT_EQ(candidate_names(problem, {4, 4, 1}, "chunks"), (Names{"1 chunk", "2 chunks", "4 chunks"}));
  EXPECT_EQ(candidate_names(problem, {4, 4, 4}, "chunks"), (Names{"1 chunk"}));
}

TEST(Candidates, EveryPlanOfTheSpaceIsValidAndLowers) {
  for (const WorkloadPhase phase : {WorkloadPhase::training, WorkloadPhase::prefill, WorkloadPhase::decode}) {
    Problem problem = tiny_problem();
    problem.workload.phase = phase;
    int plans = 0;
    testing::for_every_plan(problem, [&](const Plan& plan) {
      check_plan(plan, "plan");
      EXPECT_FALSE(lower(plan).tasks.empty());
      ++plans;
    });
    EXPECT_GT(plans, 20);
  }
}

}  // namespace
}  // namespace moesaic::planner
