#include <gtest/gtest.h>

#include "core/schema/error.h"
#include "tests/simulator/hand_made_graph.h"

namespace moesaic::simulator {
namespace {

using Span = std::vector<double>;  // start and end in microseconds

TEST(StepSimulation, RunsAChainOneAfterTheOther) {
  // 3 us, then 5 us, then 7 us: 15 us.
  const Plan plan = small_plan(1, 1);
  TaskGraph graph = empty_graph(plan);
  const TaskIndex a = add_compute(graph, "a", 3), b = add_compute(graph, "b", 5, {a}),
                  c = add_compute(graph, "c", 7, {b});
  const SimulationResult result = simulate_in_child(graph, plan);
  EXPECT_EQ(span_us(result, 0, a), (Span{0, 3}));
  EXPECT_EQ(span_us(result, 0, b), (Span{3, 8}));
  EXPECT_EQ(span_us(result, 0, c), (Span{8, 15}));
  EXPECT_NEAR(result.evaluation.prediction.step_seconds, 15e-6, 1e-12);
  EXPECT_EQ(result.evaluation.activities, 3);
  EXPECT_EQ(result.evaluation.prediction.tasks, 3);
  EXPECT_EQ(result.evaluation.price_basis, (std::map<std::string, int64_t>{{"roofline", 3}}));
}

/// Compute of 4 us, then 6 us of it beside an all-gather of 2000 bytes, then 1 us.
struct ForkAndJoin {
  TaskGraph graph;
  TaskIndex work, gather, join;
};
ForkAndJoin fork_and_join(const Plan& plan) {
  ForkAndJoin made{empty_graph(plan), -1, -1, -1};
  const TaskIndex fork = add_compute(made.graph, "fork", 4);
  made.work = add_compute(made.graph, "work", 6, {fork});
  made.gather = add_all_gather(made.graph, "gather", 0, 2000, {fork});
  made.join = add_compute(made.graph, "join", 1, {made.work, made.gather});
  return made;
}

TEST(StepSimulation, LanesOverlapAndJoin) {
  // Compute 4 us, then in parallel 6 us of compute and an all-gather of 2000 bytes between 2 nodes at 1 GB/s = 2 us,
  // then 1 us. 4 + max(6, 2) + 1 = 11 us; the collective hides behind compute.
  const Plan plan = small_plan(2, 1);
  const auto [graph, work, gather, join] = fork_and_join(plan);
  const SimulationResult result = simulate_in_child(graph, plan);
  for (int rank : {0, 1}) {
    EXPECT_EQ(span_us(result, rank, work), (Span{4, 10}));
    EXPECT_EQ(span_us(result, rank, gather), (Span{4, 6}));
    EXPECT_EQ(span_us(result, rank, join), (Span{10, 11}));
  }
  EXPECT_NEAR(result.evaluation.prediction.exposed_communication_seconds, 0, 1e-12);
}

TEST(StepSimulation, CollectivesSlowComputeDownBesideThem) {
  // As above, the gather between 4 and 6 us: until then work has done 2 us / 2 of its 6 us, the other 5 us follow. Both
  // ranks; the join meets no collective.
  Plan plan = small_plan(2, 1);
  plan.profile.collective_slowdown = 2;
  const auto [graph, work, gather, join] = fork_and_join(plan);
  const SimulationResult result = simulate_in_child(graph, plan);
  for (int rank : {0, 1}) {
    EXPECT_EQ(span_us(result, rank, gather), (Span{4, 6}));
    EXPECT_EQ(span_us(result, rank, work), (Span{4, 11}));
    EXPECT_EQ(span_us(result, rank, join), (Span{11, 12}));
  }
}

TEST(StepSimulation, TwoCollectivesAtOnceSlowComputeDownOnce) {
  // Two gathers of 4 us alone share the card until 8 us. Work of 10 us does half of 8 us beside them and 6 us behind.
  Plan plan = small_plan(2, 1);
  plan.profile.collective_slowdown = 2;
  TaskGraph graph = empty_graph(plan);
  graph.communicators.push_back({"other", {{0, 1}}, {0, 0}});
  const TaskIndex work = add_compute(graph, "work", 10);
  add_all_gather(graph, "one", 0, 4000), add_all_gather(graph, "two", 1, 4000, {}, Lane::copy_out);
  EXPECT_EQ(span_us(simulate_in_child(graph, plan), 0, work), (Span{0, 14}));
}

TEST(StepSimulation, ShortTasksWaitForTheNextLaunch) {
  // Launches 4 us apart: 3 us become 4, 5 us stay. A step that is replayed as a graph waits for none.
  Plan plan = small_plan(1, 1);
  plan.profile.launch_interval_s = 4e-6;
  TaskGraph graph = empty_graph(plan);
  const TaskIndex a = add_compute(graph, "a", 3), b = add_compute(graph, "b", 5, {a});
  EXPECT_EQ(span_us(simulate_in_child(graph, plan), 0, b), (Span{4, 9}));
  plan.workload.phase = WorkloadPhase::decode;
  EXPECT_EQ(span_us(simulate_in_child(graph, plan), 0, b), (Span{3, 8}));
}

TEST(StepSimulation, ALaneKeepsProgramOrder) {
  // The second gather needs nothing, but its lane's first waits for 5 us of compute: 5 + 1 us, then 6 + 2 us.
  const Plan plan = small_plan(2, 1);
  TaskGraph graph = empty_graph(plan);
  const TaskIndex work = add_compute(graph, "work", 5);
  const TaskIndex late = add_all_gather(graph, "late", 0, 1000, {work}),
                  early = add_all_gather(graph, "early", 0, 2000);
  const SimulationResult result = simulate_in_child(graph, plan);
  EXPECT_EQ(span_us(result, 0, late), (Span{5, 6}));
  EXPECT_EQ(span_us(result, 0, early), (Span{6, 8}));
}

TEST(StepSimulation, ACollectiveWaitsForItsSlowestMember) {
  const Plan plan = small_plan(4, 1);
  TaskGraph graph = empty_graph(plan);
  graph.communicators.push_back({"single", {{0}, {1, 2, 3}}, {0, 1, 1, 1}});
  // For rank 0 the first gather has no partners and ends at once; for the others it takes 2 * 1000 bytes = 2 us. All
  // meet in the second.
  const TaskIndex uneven = add_all_gather(graph, "uneven", 1, 1000);
  const TaskIndex world = add_all_gather(graph, "world", 0, 1000, {uneven});  // 3 * 1000 bytes = 3 us
  const SimulationResult result = simulate_in_child(graph, plan);
  EXPECT_EQ(span_us(result, 0, uneven), (Span{0, 0}));
  EXPECT_EQ(span_us(result, 1, uneven), (Span{0, 2}));
  EXPECT_EQ(span_us(result, 0, world), (Span{0, 5}));  // open while it waits
  EXPECT_EQ(span_us(result, 3, world), (Span{2, 5}));
  // Rank 0 exposes 5 us, the others 5 us too: nobody computes.
  EXPECT_NEAR(result.evaluation.prediction.exposed_communication_seconds, 5e-6, 1e-12);
}

TEST(StepSimulation, TwoCollectivesOnOneNicTakeTwiceAsLong) {
  // Two gathers of 4000 bytes on two lanes of the same two ranks: alone 4 us each, together they share the NIC: 8 us.
  const Plan plan = small_plan(2, 1);
  TaskGraph graph = empty_graph(plan);
  graph.communicators.push_back({"other", {{0, 1}}, {0, 0}});
  const TaskIndex one = add_all_gather(graph, "one", 0, 4000),
                  two = add_all_gather(graph, "two", 1, 4000, {}, Lane::copy_out);
  const SimulationResult result = simulate_in_child(graph, plan);
  EXPECT_EQ(span_us(result, 0, one), (Span{0, 8}));
  EXPECT_EQ(span_us(result, 1, two), (Span{0, 8}));
  EXPECT_EQ(result.evaluation.activities, 8);  // 2 collectives * 2 members * (out, in)
}

TEST(StepSimulation, GroupsThatShareANicSlowEachOther) {
  // 2 nodes of 2 devices with one NIC each; groups {0,2} and {1,3} gather 1000 bytes: 2000 bytes leave each NIC at 1
  // GB/s = 2 us.
  Plan plan = small_plan(2, 2);
  plan.cluster.nics_per_node = 1;
  TaskGraph graph = empty_graph(plan);
  graph.communicators.push_back({"expert_dp", {{0, 2}, {1, 3}}, {0, 1, 0, 1}});
  const TaskIndex gather = add_all_gather(graph, "gather", 1, 1000);
  EXPECT_EQ(span_us(simulate_in_child(graph, plan), 3, gather), (Span{0, 2}));
  plan.cluster.nics_per_node = 2;  // a NIC each: 1 us
  EXPECT_EQ(span_us(simulate_in_child(graph, plan), 3, gather), (Span{0, 1}));
}

TEST(StepSimulation, CardsBeyondOnePerDeviceAreSharedOut) {
  // 2 nodes of 2 devices with 3 NICs of 1 GB/s each: 1.5 NICs per device carry 3000 bytes in 2 us.
  Plan plan = small_plan(2, 2);
  plan.cluster.nics_per_node = 3;
  TaskGraph graph = empty_graph(plan);
  graph.communicators.push_back({"expert_dp", {{0, 2}, {1, 3}}, {0, 1, 0, 1}});
  const TaskIndex gather = add_all_gather(graph, "gather", 1, 3000);
  EXPECT_EQ(span_us(simulate_in_child(graph, plan), 3, gather), (Span{0, 2}));
}

TEST(StepSimulation, TasksWithoutRowsCostNothingInAnyNumber) {
  // 200 000 empty tasks in a chain end at time 0 without an activity and without recursion; the last one works 1 us.
  const Plan plan = small_plan(1, 1);
  TaskGraph graph = empty_graph(plan);
  TaskIndex previous = add_compute(graph, "0", 0);
  for (int i = 1; i < 200'000; ++i) previous = add_compute(graph, std::to_string(i), 0, {previous});
  const TaskIndex last = add_compute(graph, "last", 1, {previous});
  const SimulationResult result = simulate_in_child(graph, plan);
  EXPECT_EQ(span_us(result, 0, last), (Span{0, 1}));
  EXPECT_EQ(result.evaluation.activities, 1);
}

TEST(StepSimulation, AMeasuredCurveIsTheTimeWithoutContention) {
  // A curve of 10 us at 4000 bytes instead of 4 us from the bandwidth; two at once share and take 20 us.
  Plan plan = small_plan(2, 1);
  plan.profile.collectives.push_back({"all_gather", 2, true, {4000, 8000}, {10e-6, 20e-6}, Provenance::measured});
  TaskGraph graph = empty_graph(plan);
  graph.communicators.push_back({"other", {{0, 1}}, {0, 0}});
  const TaskIndex one = add_all_gather(graph, "one", 0, 4000);
  const SimulationResult alone = simulate_in_child(graph, plan);
  EXPECT_EQ(span_us(alone, 0, one), (Span{0, 10}));
  EXPECT_EQ(alone.evaluation.price_basis, (std::map<std::string, int64_t>{{"measured", 1}}));
  add_all_gather(graph, "two", 1, 4000, {}, Lane::copy_out);
  EXPECT_EQ(span_us(simulate_in_child(graph, plan), 0, one), (Span{0, 20}));
}

TEST(StepSimulation, CpuRanksServeTheNetworkBetweenComputeTasks) {
  // Two ranks of one node, lanes on one core; an exchange of 20 000 bytes at 10 GB/s is 2 us of each core's time. The
  // network goes first: 0 to 2. Rank 0 has copied first and computes its 6 us, 2 to 8, before it can notice that rank 1
  // has copied too; rank 1 notices at once. The second exchange needs both ranks to have noticed the first: both copy
  // from 8 to 10.
  Plan plan = small_plan(1, 2);
  plan.cluster.device.lanes_share_core = true;
  TaskGraph graph = empty_graph(plan);
  const TaskIndex work = add_compute(graph, "work", 6), first = add_all_gather(graph, "first", 0, 20'000);
  const TaskIndex second = add_all_gather(graph, "second", 0, 20'000);
  const SimulationResult result = simulate_in_child(graph, plan);
  EXPECT_EQ(span_us(result, 0, first), (Span{0, 8}));
  EXPECT_EQ(span_us(result, 1, first), (Span{0, 2}));
  EXPECT_EQ(span_us(result, 0, work), (Span{2, 8}));
  EXPECT_EQ(span_us(result, 1, work), (Span{2, 8}));
  EXPECT_EQ(span_us(result, 0, second), (Span{8, 10}));
  EXPECT_EQ(span_us(result, 1, second), (Span{2, 10}));
}

TEST(StepSimulation, ACpuRankThatComputesKeepsItsPeersWaiting) {
  // Both arrive at 3 us. Rank 0 does so first, finds nobody there and computes, 3 to 9; rank 1 finds rank 0's data and
  // copies, 3 to 5, then computes, 5 to 11. Rank 0 copies from 9 to 11, and only then is the exchange over.
  Plan plan = small_plan(1, 2);
  plan.cluster.device.lanes_share_core = true;
  TaskGraph graph = empty_graph(plan);
  const TaskIndex before = add_compute(graph, "before", 3),
                  gather = add_all_gather(graph, "gather", 0, 20'000, {before});
  const TaskIndex longer = add_compute(graph, "long", 6);
  const SimulationResult result = simulate_in_child(graph, plan);
  EXPECT_EQ(span_us(result, 0, longer), (Span{3, 9}));
  EXPECT_EQ(span_us(result, 1, longer), (Span{5, 11}));
  EXPECT_EQ(span_us(result, 0, gather), (Span{3, 11}));
  EXPECT_EQ(span_us(result, 1, gather), (Span{3, 11}));
}

TEST(StepSimulation, ALinkThatIsMissingIsAnInputError) {
  Plan plan = small_plan(2, 1);
  plan.cluster.nic = {};
  TaskGraph graph = empty_graph(plan);
  add_all_gather(graph, "gather", 0, 1000);
  try {
    simulate_in_child(graph, plan);
    FAIL() << "bytes passed a link that is not there";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("/links/nic"), std::string::npos) << error.what();
  }
}

TEST(StepSimulation, AGraphThatWaitsForeverIsADefectWithAName) {
  const Plan plan = small_plan(1, 1);
  TaskGraph graph = empty_graph(plan);
  add_compute(graph, "first", 1, {1});
  add_compute(graph, "second", 1, {0});
  try {
    simulate_in_child(graph, plan);
    FAIL() << "a cycle was run";
  } catch (const InvariantError& error) {
    EXPECT_NE(std::string(error.what()).find("'first' of rank 0"), std::string::npos) << error.what();
  }
}

TEST(StepSimulation, OutOfMemoryIsAResultWithPeakAndCulprit) {
  // 400 MB of weights, then activations of 300 MB and 500 MB alive together: 1.2 GB on a device of 1 GB; 700 MB before
  // and 900 MB after.
  const Plan plan = small_plan(1, 1);
  TaskGraph graph = empty_graph(plan);
  const auto tensor = [&](const std::string& name, TensorKind kind, int64_t floats) {
    Tensor made;
    made.name = name;
    made.kind = kind;
    made.fixed_rows = floats;
    made.row_elements = 1;
    return graph.add(made);
  };
  const TensorId weights = tensor("weights", TensorKind::parameter, 100'000'000);
  const TensorId small = tensor("small", TensorKind::activation, 75'000'000),
                 large = tensor("large", TensorKind::activation, 125'000'000);
  add_compute(graph, "a", 1);
  add_compute(graph, "b", 1, {0});
  add_compute(graph, "c", 1, {1});
  graph.tasks[0].reads = {weights}, graph.tasks[0].writes = {small};
  graph.tasks[1].reads = {small}, graph.tasks[1].writes = {large};
  graph.tasks[2].reads = {large};
  const SimulationResult result = simulate_in_child(graph, plan);
  EXPECT_FALSE(result.evaluation.feasible);
  EXPECT_EQ(result.evaluation.prediction.peak_bytes, (std::map<std::string, Bytes>{{"device", 1'200'000'000}}));
  EXPECT_NE(result.evaluation.reason.find("'large'"), std::string::npos) << result.evaluation.reason;
  std::vector<Bytes> live;
  for (const MemorySample& sample : result.timeline.memory) live.push_back(sample.bytes);
  EXPECT_EQ(live, (std::vector<Bytes>{400'000'000, 700'000'000, 1'200'000'000, 900'000'000, 400'000'000}));
}

}  // namespace
}  // namespace moesaic::simulator
