#include "executor/profiling/profile.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>
#include <thread>

#include "core/cost/cost_model.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "core/technique/lower.h"
#include "executor/comm/local_transport.h"
#include "executor/cpu/cpu_backend.h"
#include "tests/executor/profiling/tiny_plan.h"

namespace moesaic::executor {
namespace {

struct Measured {
  Profile profile;
  Cluster cluster;
  std::vector<int> done;  // as reported
};

constexpr int kRanks = 2;

Measured measure() {
  Measured result;
  LocalWorld world(kRanks);
  const auto run = [&](int rank) {
    cpu::CpuBackend backend;
    ProfileOptions options;
    options.budget_s = 1;
    options.name = "here";
    options.command = "a test";
    options.commit = "abc";
    options.on_progress = [&](int done, int, const std::string&) { result.done.push_back(done); };
    Transport& transport = world.transport(rank);
    const Profile profile = measure_profile({tiny_plan(kRanks)}, rank, transport, backend, options);
    const Cluster cluster = measure_cluster(profile, rank, transport, backend, options);
    if (rank == 0) result.profile = profile, result.cluster = cluster;
  };
  std::vector<std::thread> threads;
  for (int rank = 0; rank < kRanks; ++rank) threads.emplace_back(run, rank);
  for (std::thread& thread : threads) thread.join();
  return result;
}

/// Once for all tests; every rank is a thread.
const Measured& measured() {
  static const Measured result = measure();
  return result;
}

TEST(MeasureProfile, PricesEveryTaskFromAMeasuredCurve) {
  const TaskGraph graph = lower(tiny_plan(kRanks));
  CostModel model(measured().profile, tiny_plan(kRanks).cluster);
  model.prepare(graph);
  for (TaskIndex i = 0; i < static_cast<TaskIndex>(graph.tasks.size()); ++i) {
    const Task& task = graph.tasks[static_cast<size_t>(i)];
    if (is_collective(task.op)) continue;
    // Routed: from one token's two rows to all 2 * 8 * 2 of the job on one rank.
    for (int64_t rows : task.rows == Rows::fixed ? std::vector{task.fixed_rows} : std::vector<int64_t>{2, 32}) {
      const Price price = model.compute(i, rows);
      EXPECT_EQ(price.basis, Basis::measured) << task.label << ", " << rows << " rows";
      EXPECT_GT(price.seconds, 0) << task.label << ", " << rows << " rows";
    }
  }
}

TEST(MeasureProfile, CurvesAscendAndSurviveTheirDocument) {
  const Profile& profile = measured().profile;
  for (const OperatorCurve& curve : profile.operators) {
    EXPECT_EQ(curve.rows.size(), curve.seconds.size()) << curve.op;
    EXPECT_TRUE(std::is_sorted(curve.rows.begin(), curve.rows.end(), std::less_equal<>())) << curve.op;
    for (Seconds seconds : curve.seconds) EXPECT_GT(seconds, 0) << curve.op;
  }
  EXPECT_EQ(read_profile(write_profile(profile), "profile"), profile);
}

TEST(MeasureProfile, SaysWhereItComesFrom) {
  const Profile& profile = measured().profile;
  EXPECT_EQ(profile.name, "here");
  EXPECT_EQ(profile.command, "a test");
  EXPECT_EQ(profile.commit, "abc");
  EXPECT_NE(profile.machine, "");
  ASSERT_EQ(profile.date.size(), 20u);
  EXPECT_EQ(profile.date.back(), 'Z');
}

TEST(MeasureProfile, ReportsEveryPointOnce) {
  size_t points = 0;
  for (const OperatorCurve& curve : measured().profile.operators) points += curve.rows.size();
  for (const CollectiveCurve& curve : measured().profile.collectives) points += curve.bytes.size();
  std::vector<int> expected(points);
  std::iota(expected.begin(), expected.end(), 1);
  EXPECT_EQ(measured().done, expected);
}

TEST(MeasureProfile, DescribesItsMachineAsACluster) {
  const Cluster& cluster = measured().cluster;
  EXPECT_EQ(cluster.num_nodes, 1);
  EXPECT_EQ(cluster.devices_per_node, kRanks);
  EXPECT_TRUE(cluster.device.lanes_share_core);
  EXPECT_TRUE(cluster.intra_node.present());
  EXPECT_EQ(read_cluster(write_cluster(cluster), "cluster"), cluster);
}

Link link_measured_as(std::vector<Seconds> seconds) {
  Profile profile;
  profile.collectives = {{name_of(Op::all_to_all), 3, false, {100, 1000, 10'000}, std::move(seconds)}};
  return link_of(profile, 0.25);
}

// Three members: two messages of 0.25 s each. Undisturbed: latency 1 - 2 * 0.25 = 0.5 s, 10 kB in 6 - 1 = 5 s. With a
// disturbed first point the second, 2 s, is the shortest: latency 2 - 0.5 = 1.5 s, 10 kB in 6 - 2 = 4 s. With all but
// the last disturbed: latency 6 - 0.5 = 5.5 s and 10 kB in 6 s.
TEST(LinkOf, IsThereHoweverDisturbedTheCurve) {
  EXPECT_EQ(link_measured_as({1, 2, 6}), (Link{2000, 0.5, 0.25}));
  EXPECT_EQ(link_measured_as({8, 2, 6}), (Link{2500, 1.5, 0.25}));
  EXPECT_EQ(link_measured_as({8, 7, 6}), (Link{10'000.0 / 6, 5.5, 0.25}));
}

TEST(LinkOf, IsAbsentWhereNothingWasMeasured) { EXPECT_FALSE(link_of({}, 0.25).present()); }

// 64 B to 16 MiB in steps of four: ten sizes. Two ranks: the busiest sends 2 S (2-1)/2 = S in an all-reduce, S in the
// others.
TEST(MeasureProfile, MeasuresCollectivesBetweenRanks) {
  const std::vector<Bytes> sizes = {64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216};
  std::vector<std::string> names;
  for (const CollectiveCurve& curve : measured().profile.collectives) {
    names.push_back(curve.collective);
    EXPECT_EQ(curve.num_ranks, 2);
    EXPECT_FALSE(curve.crosses_nodes);
    EXPECT_EQ(curve.bytes, sizes);
    for (Seconds seconds : curve.seconds) EXPECT_GT(seconds, 0);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"all_to_all", "all_reduce", "all_gather"}));
}

TEST(MeasureProfile, RefusesAPlanThatCannotBeTrained) {
  Plan plan = tiny_plan(1);
  plan.workload.phase = WorkloadPhase::decode;
  LocalWorld world(1);
  cpu::CpuBackend backend;
  EXPECT_THROW(measure_profile({plan}, 0, world.transport(0), backend, {}), InputError);
}

}  // namespace
}  // namespace moesaic::executor
