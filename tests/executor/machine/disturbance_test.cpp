#include "executor/machine/disturbance.h"

#include <gtest/gtest.h>

namespace moesaic::executor {
namespace {

// user 707977 + nice 469097 + system 185418 + irq 7 + softirq 1593 + steal 1588 = 1365680; idle 1799909 and iowait 5847
// are no work, and the guests' 40 and 2 are in user and nice already.
TEST(MachineTicks, AreBusyWithAllButIdleAndWaiting) {
  const MachineTicks expected{1365680, 1588};
  EXPECT_EQ(parse_machine_ticks("cpu  707977 469097 185418 1799909 5847 7 1593 1588 40 2\n"
                                "cpu0 353988 234548 92709 899954 2923 3 796 794 20 1\n"
                                "intr 115684 0 9\n"),
            expected);
  EXPECT_EQ(parse_machine_ticks("intr 115684 0 9\ncpu 707977 469097 185418 1799909 5847 7 1593 1588 40 2"), expected);
}

TEST(MachineTicks, AreZeroWhereTheLineIsMissingOrBroken) {
  EXPECT_EQ(parse_machine_ticks(""), MachineTicks());
  EXPECT_EQ(parse_machine_ticks("cpu0 1 2 3 4 5 6 7 8 9 10\n"), MachineTicks());
  EXPECT_EQ(parse_machine_ticks("cpu  1 2 3 4 5 6 7\nctxt 8\n"), MachineTicks());  // a kernel that knows no steal
  EXPECT_EQ(parse_machine_ticks("cpu  1 2 x 4 5 6 7 8\n"), MachineTicks());
}

TEST(Disturbance, TakesInvoluntarySwitchesOnly) {
  rusage usage{};
  usage.ru_nvcsw = 12;
  usage.ru_nivcsw = 5;
  EXPECT_EQ(involuntary_switches(usage), 5);
}

// 4 s of wall and 2.5 s of processor time: 1 - 2.5 / 4 = 0.375 lost. 200 of 800 busy ticks stolen: 0.25.
TEST(Disturbance, IsWhatLiesBetweenTwoReadings) {
  const DisturbanceReading begin{10, 3, 7, {1000, 50}}, end{14, 5.5, 31, {1800, 250}};
  const Disturbance between = disturbance_between(begin, end);
  EXPECT_EQ(between.wall, 4);
  EXPECT_EQ(between.cpu, 2.5);
  EXPECT_EQ(between.involuntary_switches, 24);
  EXPECT_EQ(between.steal_share, 0.25);
  EXPECT_EQ(between.lost_share(), 0.375);
}

TEST(Disturbance, SharesStayInTheirRange) {
  EXPECT_EQ(Disturbance{}.lost_share(), 0);
  EXPECT_EQ((Disturbance{2, 2.5, 0, 0}).lost_share(), 0);  // clocks of two kinds, or several threads
  EXPECT_EQ(disturbance_between({}, {}).steal_share, 0);
  EXPECT_EQ(disturbance_between({0, 0, 0, {100, 50}}, {1, 1, 0, {200, 40}}).steal_share, 0);  // a counter went back
}

TEST(Disturbance, OfThisMachineCountsUpwards) {
  for (Counted counted : {Counted::thread, Counted::process}) {
    const DisturbanceReading begin = read_disturbance(counted);
    volatile double sum = 0;
    for (int i = 0; i < 1000000; ++i) sum = sum + i;
    const DisturbanceReading end = read_disturbance(counted);
    EXPECT_GT(end.cpu, begin.cpu);
    EXPECT_GT(end.wall, begin.wall);
    EXPECT_GE(end.involuntary_switches, begin.involuntary_switches);
    EXPECT_GE(end.machine.busy, begin.machine.busy);
    const Disturbance between = disturbance_between(begin, end);
    EXPECT_GE(between.lost_share(), 0);
    EXPECT_LE(between.lost_share(), 1);
  }
}

}  // namespace
}  // namespace moesaic::executor
