#include "executor/profiling/profile.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/cost/cost_model.h"
#include "core/plan/plan.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "core/technique/lower.h"
#include "executor/comm/local_transport.h"
#include "executor/comm/threads.h"
#include "executor/cpu/cpu_backend.h"
#include "executor/profiling/machine.h"
#include "tests/executor/profiling/tiny_plan.h"

namespace moesaic::executor {
namespace {

struct Measured {
  MeasuredMachine of_rank[2];
  std::vector<Seconds> spent;     // as reported
  std::vector<std::string> what;  // the same
};

constexpr int kRanks = 2;

/// By clocks that take `tick` times the number of the rank, from 1, between two looks at them, however long anything
/// lasts.
Measured measure(Seconds budget, Seconds tick) {
  Measured result;
  run_on_threads(kRanks, kRanks, [&](int rank, Transport& transport) {
    cpu::CpuBackend backend;
    Seconds now = 0;
    ProfileOptions options;
    options.budget_s = budget;
    options.clock = [&] { return now += tick * (rank + 1); };
    options.name = "here";
    options.command = "a test";
    options.commit = "abc";
    options.on_progress = [&](Seconds spent, Seconds of, const std::string& what) {
      EXPECT_EQ(of, budget);
      result.spent.push_back(spent);
      result.what.push_back(what);
    };
    result.of_rank[rank] = measure_machine({tiny_plan(kRanks)}, rank, transport, backend, options);
  });
  return result;
}

/// Once for all tests. Time for every point: 188 of 2 looks at a clock take 0.8 s by the faster one.
const Measured& measured() {
  static const Measured result = measure(3, 1e-3);
  return result;
}
const Profile& profile() { return measured().of_rank[0].profile; }

TEST(MeasureProfile, PricesEveryTaskFromAMeasuredCurve) {
  const TaskGraph graph = lower(tiny_plan(kRanks));
  CostModel model(profile(), tiny_plan(kRanks).cluster);
  model.prepare(graph);
  for (TaskIndex i = 0; i < graph.tasks.next(); ++i) {
    const Task& task = graph.tasks[i];
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
  for (const OperatorCurve& curve : profile().operators) {
    EXPECT_EQ(curve.rows.size(), curve.seconds.size()) << curve.op;
    EXPECT_TRUE(std::is_sorted(curve.rows.begin(), curve.rows.end(), std::less_equal<>())) << curve.op;
    for (Seconds seconds : curve.seconds) EXPECT_GT(seconds, 0) << curve.op;
  }
  EXPECT_EQ(read_profile(write_profile(profile()), "profile"), profile());
}

TEST(MeasureProfile, SaysWhereItComesFrom) {
  EXPECT_EQ(profile().name, "here");
  EXPECT_EQ(profile().command, "a test");
  EXPECT_EQ(profile().commit, "abc");
  EXPECT_EQ(profile().machine, description_of(this_machine()) + ", 2 ranks at once");
  ASSERT_EQ(profile().date.size(), 20u);
  EXPECT_EQ(profile().date.back(), 'Z');
  EXPECT_EQ(measured().of_rank[0].cluster.source,
            description_of(this_machine()) + "; measured " + profile().date + " by 'a test'");
}

/// Points of curves; a task's overhead, one and many messages, the device's three peaks are points as well.
size_t points_of(const Profile& profile) {
  size_t points = 1 + 2 + 3;
  for (const OperatorCurve& curve : profile.operators) points += curve.rows.size();
  for (const CollectiveCurve& curve : profile.collectives) points += curve.bytes.size();
  return points;
}

TEST(MeasureProfile, ReportsEveryPointAndTheTimeSpent) {
  EXPECT_EQ(std::set(measured().what.begin(), measured().what.end()).size(), points_of(profile()));
  EXPECT_TRUE(std::is_sorted(measured().spent.begin(), measured().spent.end()));
}

TEST(MeasureProfile, SaysWhatItsBudgetReached) {
  ASSERT_TRUE(profile().measuring.has_value());
  const MeasuringRecord& record = *profile().measuring;
  EXPECT_EQ(record.budget_s, 3);
  EXPECT_LE(record.spent_s, 3);
  EXPECT_EQ(static_cast<size_t>(record.points), points_of(profile()));
  EXPECT_EQ(record.left_out, std::vector<std::string>());
  EXPECT_GE(record.repetitions, record.points);
  EXPECT_LE(record.disturbed_repetitions, record.repetitions);
}

// Of 6 s, 6 * 3/60 + 0.3 = 0.6 are the disk's. By the faster clock, 16 ms a look, a visit of 2 looks takes 32 ms: 5.4 s
// are some 168 of the 198 points, the 55 of the least worth first.
TEST(MeasureProfile, LeavesOutWhatABudgetDoesNotReach) {
  const MeasuredMachine machine = measure(6, 8e-3).of_rank[0];
  ASSERT_EQ(machine.too_short, "");
  const MeasuringRecord& record = *machine.profile.measuring;
  EXPECT_LE(record.spent_s, 6);
  EXPECT_EQ(static_cast<size_t>(record.points), points_of(machine.profile));
  EXPECT_LT(record.points, profile().measuring->points);
  EXPECT_EQ(static_cast<size_t>(record.points) + record.left_out.size(), points_of(profile()));
  EXPECT_EQ(machine.profile.operators.size(), profile().operators.size());
  EXPECT_EQ(machine.profile.collectives.size(), 4u);
  EXPECT_TRUE(machine.cluster.intra_node.present());
}

// Of 0.4 s, 0.4 * 3/60 + 0.3 = 0.32 are the disk's. By the faster clock, 2 ms a look, the schedule begins at 2 ms and a
// visit of 2 looks takes 4: the 19th ends at 2 + 19 * 4 = 78 ms, and another would at 82. 58: one or more own rows of
// 37 operators, of adamw six, of check_gradients three; eight ends of collectives, one and many messages, a task's
// overhead, three peaks.
TEST(MeasureProfile, SaysWhenABudgetIsTooShort) {
  const Measured measured = measure(0.4, 1e-3);
  const std::string expected =
      "nothing found within --budget 400 ms: 19 of the 58 points that a profile needs at least "
      "were measured; at this pace they take ";
  EXPECT_EQ(measured.of_rank[0].too_short.substr(0, expected.size()), expected);
  EXPECT_EQ(measured.of_rank[1].too_short, measured.of_rank[0].too_short);
  EXPECT_EQ(measured.of_rank[0].profile, Profile());
  EXPECT_EQ(measured.what.size(), 19u);
}

TEST(MeasureProfile, DescribesItsMachineAsACluster) {
  const Cluster& cluster = measured().of_rank[0].cluster;
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
  for (const CollectiveCurve& curve : profile().collectives) {
    names.push_back(curve.collective);
    EXPECT_EQ(curve.num_ranks, 2);
    EXPECT_FALSE(curve.crosses_nodes);
    EXPECT_EQ(curve.bytes, sizes);
    for (Seconds seconds : curve.seconds) EXPECT_GT(seconds, 0);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"all_to_all", "all_reduce", "all_gather", "reduce_scatter"}));
}

TEST(MeasureProfile, RefusesAPlanThatCannotBeTrained) {
  Plan plan = tiny_plan(1);
  plan.workload.phase = WorkloadPhase::decode;
  LocalWorld world(1);
  cpu::CpuBackend backend;
  EXPECT_THROW(measure_machine({plan}, 0, world.transport(0), backend, {}), InputError);
}

}  // namespace
}  // namespace moesaic::executor
