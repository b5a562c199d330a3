#include "planner/bounds/step_bound.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "core/cost/cost_model.h"
#include "core/graph/routing_binding.h"
#include "core/network/collective_demand.h"
#include "core/plan/plan_document.h"
#include "core/schema/documents.h"
#include "core/technique/lower.h"
#include "planner/bounds/path_bound.h"
#include "planner/bounds/publish_bounds.h"
#include "planner/bounds/searched_bound.h"
#include "planner/layout/layout_space.h"
#include "planner/make_plan.h"
#include "tests/planner/known_prices.h"

namespace moesaic::planner {
namespace {

using testing::KnownPrices;
using testing::tiny_problem;

Seconds price_of(const CostModel& prices, const TaskGraph& graph, const RoutingBinding& binding, const Plan& plan,
                 const Task& task, int rank) {
  const SlotCounts* counts = task.rows == Rows::fixed
                                 ? nullptr
                                 : &binding.counts(task.microbatch, task.moe_layer, rank, task.chunk, task.num_chunks);
  if (is_collective(task.op))
    return alpha_beta_seconds(demand_of(graph, task, rank, counts, plan.cluster), plan.cluster);
  if (is_experts(task.op)) return prices.experts(task, counts->slot_rows(rank % plan.layout.ep)).seconds;
  return prices.compute(task, binding.rows(task, rank, 0)).seconds;
}

/// The busiest rank, all tasks one after the other: no overlap, but also no waiting for other ranks.
struct Busiest {
  Seconds compute = 0, all = 0;
};

Busiest busiest_rank(const Plan& plan) {
  const TaskGraph graph = lower(plan);
  const RoutingBinding binding(plan);
  const CostModel prices(plan.profile, plan.cluster);
  Busiest busiest;
  for (int rank = 0; rank < graph.num_ranks; ++rank) {
    Seconds compute = 0, all = 0;
    for (const Task& task : graph.tasks) {
      const Seconds seconds = price_of(prices, graph, binding, plan, task, rank);
      all += seconds;
      compute += is_collective(task.op) ? 0 : seconds;
    }
    busiest = {std::max(busiest.compute, compute), std::max(busiest.all, all)};
  }
  return busiest;
}

Seconds one_after_the_other(const Plan& plan) { return busiest_rank(plan).all; }

OperatorCurve curve(const char* op, std::map<std::string, int64_t> fixed, std::vector<int64_t> rows,
                    std::vector<Seconds> seconds) {
  OperatorCurve made;
  made.op = op, made.fixed = std::move(fixed), made.rows = std::move(rows), made.seconds = std::move(seconds);
  return made;
}

/// Curves on which cutting or fusing pays: start-up costs, a knee, a slope that grows, a best size between powers of
/// two.
Profile awkward_profile(const Cluster& cluster, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto seconds = [&] { return 1e-6 * static_cast<double>(1 + random() % 1000); };
  const auto ascending = [&] {
    std::vector<Seconds> points{seconds(), seconds(), seconds(), seconds()};
    std::sort(points.begin(), points.end());
    return points;
  };
  Profile profile = plain_profile(cluster);
  profile.operators.push_back(curve("adamw", {}, {1, 48, 300, 1000}, ascending()));
  for (const char* op : {"permute", "unpermute", "permute_backward", "unpermute_backward"})
    profile.operators.push_back(curve(op, {{"k", 8}, {"top_k", 2}}, {3, 5, 11, 29}, ascending()));
  for (const char* op : {"experts", "experts_dgrad", "experts_wgrad"})
    profile.operators.push_back(curve(op, {{"n", 16}, {"k", 8}}, {6, 7, 23, 51}, ascending()));
  if (seed % 2 == 0)  // else it is read from AdamW's
    profile.operators.push_back(curve("check_gradients", {}, {5, 77, 600, 2500}, ascending()));
  return profile;
}

void expect_below_every_plan(Problem problem) {
  problem.workload.global_batch = 8;  // six layouts
  for (const LayoutCandidate& candidate : enumerate_layouts(problem)) {
    Problem fixed = problem;
    fixed.fixed.set(&Layout::ep, candidate.layout.ep);
    fixed.fixed.set(&Layout::micro_batches, candidate.layout.micro_batches);
    fixed.fixed.set(&Layout::tp, candidate.layout.tp);
    fixed.fixed.set(&Layout::tp_tokens, candidate.layout.tp_tokens);
    const StepBound bound = step_bound(baseline_plan(problem, candidate.layout));
    EXPECT_GT(bound.compute, 0);
    testing::for_every_plan(fixed, [&](const Plan& plan) {
      const Busiest busiest = busiest_rank(plan);
      EXPECT_LE(bound.compute, busiest.compute * (1 + 1e-12)) << describe(plan.layout);
      EXPECT_LE(bound.seconds(), busiest.all * (1 + 1e-12)) << describe(plan.layout);
    });
  }
}

TEST(StepBound, NoPlanBeatsItUnderRooflines) {
  Problem problem = tiny_problem();
  expect_below_every_plan(problem);
  problem.fixed.set(&Dispatch::kind, DispatchKind::padded);
  problem.fixed.set(&Dispatch::capacity_factor, 0.5);  // fewer rows than the router sends
  expect_below_every_plan(problem);
}

TEST(StepBound, NoPlanBeatsItWhereMessagesCostTime) {
  Problem problem = tiny_problem();
  problem.cluster.intra_node.message_s = 1e-4;
  problem.cluster.nic.message_s = 1e-3;
  expect_below_every_plan(problem);
}

TEST(StepBound, NoPlanBeatsItUnderAwkwardCurves) {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    Problem problem = tiny_problem();
    problem.profile = awkward_profile(problem.cluster, seed);
    expect_below_every_plan(problem);
  }
}

TEST(StepBound, NoPlanBeatsItInInference) {
  for (const WorkloadPhase phase : {WorkloadPhase::prefill, WorkloadPhase::decode}) {
    Problem problem = tiny_problem();
    problem.workload.phase = phase;
    expect_below_every_plan(problem);
  }
}

// One rank with one expert has nothing to decide: the bound is its whole step.
TEST(StepBound, IsReachedWhereThereIsNoChoice) {
  Problem problem = tiny_problem();
  problem.model.num_experts = problem.model.top_k = 1;
  problem.ranks = 1;
  const Plan plan = baseline_plan(problem, {1, 1, 1});
  EXPECT_NEAR(step_bound(plan).seconds() / one_after_the_other(plan), 1, 1e-12);
  EXPECT_EQ(step_bound(plan).binding(), "compute");
}

// Two ranks of one node share every gradient: a ring of two sends all 1488 * 4 bytes once, and the 16 bytes of the
// losses. Over 1 MB/s: 5968 us. Latencies and messages do not count: buckets may save them.
TEST(StepBound, GradientsMustCrossThePort) {
  Problem problem = tiny_problem();
  problem.ranks = 2;
  problem.cluster.intra_node = {1e6, 1, 1};
  Plan plan = baseline_plan(problem, {2, 1, 1});
  EXPECT_NEAR(step_bound(plan).network, 5.968e-3, 1e-12);
  EXPECT_EQ(step_bound(plan).binding(), "network");
  plan.cluster.device.lanes_share_core = true;
  EXPECT_EQ(step_bound(plan).network, 0);
}

// A look at gradients takes a second, whatever its size. Without buckets there are three, of two layers and of what
// stands outside; with one bucket of all experts and one of all else, as many updates and looks.
TEST(StepBound, BucketsMayFuseLooksAtGradients) {
  Problem problem = tiny_problem();
  problem.ranks = 2;
  problem.model.num_layers = 2;
  problem.model.moe_layers = {true, true};
  problem.profile.operators = {curve("check_gradients", {}, {1, 1'000'000}, {1, 1})};
  Plan plan = baseline_plan(problem, {2, 1, 1});
  EXPECT_EQ(static_cast<int>(busiest_rank(plan).compute), 3);
  plan.gradient_bucket_bytes = 1'000'000;
  EXPECT_EQ(static_cast<int>(busiest_rank(plan).compute), 2);
  EXPECT_LE(step_bound(plan).compute, busiest_rank(plan).compute);
}

TEST(StepBound, AMeasuredCollectiveMayBeatAlphaBeta) {
  Problem problem = tiny_problem();
  problem.ranks = 2;
  problem.cluster.intra_node = {1e6, 1};
  problem.profile.collectives = {{"all_reduce", 2, false, {1024}, {1e-9}, Provenance::measured}};
  EXPECT_EQ(step_bound(baseline_plan(problem, {2, 1, 1})).network, 0);
}

// Each layout that the bound of all stands for has a bound of its own, which is no less, whatever curves prices are
// read from.
TEST(SearchedBound, IsBelowTheBoundOfEveryLayout) {
  for (uint64_t seed = 0; seed < 2; ++seed) {
    Problem problem = tiny_problem();
    if (seed > 0) problem.profile = awkward_profile(problem.cluster, seed);
    problem.fixed.set(&Layout::micro_batches, 2);
    PathBound path(baseline_plan(problem, {}));
    Seconds least = 1e9;
    const int64_t layouts = for_each_layout(problem, layout_values(problem), [&](const Plan& plan) {
      least = std::min(least, path.of(plan, {kMostChunks, kMostReplicaSlots}));
      return true;
    });
    const SearchedBound bound = searched_bound(problem);
    EXPECT_LE(bound.seconds, least);
    EXPECT_GT(bound.seconds, 0.8 * least);
    EXPECT_LT(bound.layouts, layouts);  // some stand for others
  }
}

// A price that knows waits: ten times the work of the busiest rank is more than any path.
TEST(PublishedBounds, TheGapOfAPlanIsNotNegative) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    Problem problem = tiny_problem();
    if (seed > 0) problem.profile = awkward_profile(problem.cluster, seed);
    KnownPrices prices([](const Plan& plan) { return 10 * one_after_the_other(plan); });
    Plan plan = make_plan(problem, prices).plan;
    publish_bounds(problem, plan);
    EXPECT_GT(plan.prediction.lower_bound_seconds, 0);
    EXPECT_LE(plan.prediction.lower_bound_seconds, plan.prediction.layout_bound_seconds);
    EXPECT_DOUBLE_EQ(plan.prediction.gap, plan.prediction.step_seconds / plan.prediction.lower_bound_seconds - 1);
  }
}

// ep 1 has the fewest rows to wait for, ep 4 the fewest to update: each has its own bound, and that of all is the
// least.
TEST(PublishedBounds, AreOfTheLayoutAndOfAllLayouts) {
  Seconds of_all = 0, least_of_layout = 1e9;
  for (const int ep : {4, 2, 1}) {
    Problem problem = tiny_problem();
    KnownPrices prices([ep](const Plan& plan) { return plan.layout.ep == ep ? 1e3 : 2e3; });
    Plan plan = make_plan(problem, prices).plan;
    publish_bounds(problem, plan);
    EXPECT_EQ(plan.layout.ep, ep);
    EXPECT_GE(plan.prediction.layout_bound_seconds, step_bound(baseline_plan(problem, plan.layout)).seconds());
    of_all = plan.prediction.lower_bound_seconds;
    least_of_layout = std::min(least_of_layout, plan.prediction.layout_bound_seconds);
  }
  EXPECT_LE(of_all, least_of_layout);
}

// A price below a bound refutes it, whatever it came from: nothing is published, in the document either.
TEST(PublishedBounds, AreNotAboveThePrice) {
  KnownPrices prices([](const Plan&) { return 1e-12; });
  const Problem problem = tiny_problem();
  Plan plan = make_plan(problem, prices).plan;
  publish_bounds(problem, plan);
  EXPECT_GT(step_bound(plan).seconds(), 1e-12);
  EXPECT_EQ(plan.prediction.lower_bound_seconds, 0);
  EXPECT_EQ(plan.prediction.gap, 0);
  const Json written = write_plan(plan)["prediction"];
  for (const char* key : {"lower_bound_seconds", "gap", "layout_bound_seconds"}) EXPECT_FALSE(written.contains(key));
}

}  // namespace
}  // namespace moesaic::planner
