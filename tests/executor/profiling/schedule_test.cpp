#include "executor/profiling/schedule.h"

#include <gtest/gtest.h>

#include <numeric>

namespace moesaic::executor {
namespace {

/// Points that take what they are told, by a clock that nothing else moves.
struct FakeMachine {
  Seconds now = 0;
  std::vector<std::string> visited;

  /// Repetition number i (from 0, with those that warm up) is disturbed where `disturbed` has it.
  Point point(const std::string& what, Worth worth, Seconds opening, std::vector<bool> disturbed = {}) {
    Point point{what, worth, what, 1, {}};
    const auto repetitions = std::make_shared<size_t>(0);
    point.open = [this, what, opening, disturbed, repetitions] {
      visited.push_back(what);
      now += opening;
      return [this, disturbed, repetitions] {
        const size_t i = (*repetitions)++;
        now += 1;
        return Sample{1, 0, i < disturbed.size() && disturbed[i]};
      };
    };
    return point;
  }
  Point of_curve(const std::string& what, Worth worth, double size) {
    Point own = point(what, worth, 1);
    own.curve = "curve";
    own.size = size;
    return own;
  }
  Schedule schedule(std::vector<Point> points, Seconds budget) {
    return Schedule(
        std::move(points), budget, [this] { return now; }, [](const Point&, Seconds) {});
  }
};

std::vector<size_t> repetitions(const Schedule& schedule) {
  std::vector<size_t> counts;
  for (const Reading& reading : schedule.readings()) counts.push_back(reading.samples.size());
  return counts;
}

// A visit: 1 s to open, 1 s to warm up, 1 s to repeat. Three end at 9 s; of the 10 s too little is left for another.
TEST(Schedule, MeasuresInTheOrderOfWorthAndStopsInTime) {
  FakeMachine machine;
  Schedule schedule =
      machine.schedule({machine.point("further", Worth::further, 1), machine.point("least", Worth::least, 1),
                        machine.point("range", Worth::range, 1)},
                       10);
  EXPECT_TRUE(schedule.run());
  EXPECT_EQ(machine.visited, (std::vector<std::string>{"least", "range", "further"}));
  EXPECT_EQ(repetitions(schedule), (std::vector<size_t>{1, 1, 1}));
  EXPECT_EQ(machine.now, 9);
}

// 10 rows take 3 s, so 40 rows are expected to take 12 of the 11 s left, and 30 rows 9. Those take 3 as well, until 6
// s: now 40 rows are expected to take 3 * 40 / 30 = 4. Their part of the 8 s left is 2.7, enough for one repetition; 10
// rows get half of the other 5, one again; at 12 s a visit of 3 s does not fit.
TEST(Schedule, LeavesOutWhatIsUnlikelyToEndInTime) {
  FakeMachine machine;
  Schedule schedule =
      machine.schedule({machine.of_curve("10", Worth::least, 10), machine.of_curve("40", Worth::range, 40),
                        machine.of_curve("30", Worth::further, 30)},
                       14);
  EXPECT_TRUE(schedule.run());
  EXPECT_EQ(machine.visited, (std::vector<std::string>{"10", "30", "40", "10"}));
  EXPECT_EQ(repetitions(schedule), (std::vector<size_t>{2, 1, 1}));
  EXPECT_EQ(machine.now, 12);
}

// Of 14 s, 40 rows are expected to take 12 after 3: they never fit.
TEST(Schedule, NeverBeginsWhatDoesNotFit) {
  FakeMachine machine;
  Schedule schedule =
      machine.schedule({machine.of_curve("10", Worth::least, 10), machine.of_curve("40", Worth::range, 40)}, 14);
  EXPECT_TRUE(schedule.run());
  EXPECT_FALSE(schedule.readings()[1].measured());
  EXPECT_LE(machine.now, 14);
}

// Expected to take 1 s, it took 3: so what is expected to take 2 s takes 6 of the 5 that are left of 8.
TEST(Schedule, ExpectsNoMoreOfABusyMachineThanItHasShown) {
  FakeMachine machine;
  Point first = machine.point("first", Worth::least, 1), second = machine.point("second", Worth::least, 1);
  first.expected_s = 1, second.expected_s = 2;
  Schedule schedule = machine.schedule({first, second}, 8);
  EXPECT_FALSE(schedule.run());
  EXPECT_EQ(machine.visited, std::vector<std::string>{"first"});
  EXPECT_EQ(schedule.least_s(), 9);
}

// What takes 1 s was disturbed at its first visit, 1 to 2 s, and at the beginning of its second; the third attempt, 3
// to 4 s, is not, and one is enough.
TEST(Schedule, RepeatsWhatWasDisturbed) {
  FakeMachine machine;
  Point quiet = machine.point("quiet", Worth::least, 0),
        disturbed = machine.point("disturbed", Worth::least, 0, {1, 1});
  for (Point* point : {&quiet, &disturbed}) point->warms_up = false, point->enough = 1;
  Schedule schedule = machine.schedule({quiet, disturbed}, 10);
  EXPECT_TRUE(schedule.run());
  EXPECT_EQ(machine.visited, (std::vector<std::string>{"quiet", "disturbed", "disturbed"}));
  EXPECT_EQ(repetitions(schedule), (std::vector<size_t>{1, 3}));
  EXPECT_EQ(schedule.readings()[1].undisturbed(), 1);
  EXPECT_EQ(machine.now, 4);
}

// Of least worth the second, of range the first: the disturbed one of least worth comes again before the other begins,
// which then has one attempt more in its visit.
TEST(Schedule, RepeatsTheLeastBeforeItMeasuresMore) {
  FakeMachine machine;
  Point range = machine.point("range", Worth::range, 0, {1}), least = machine.point("least", Worth::least, 0, {1});
  for (Point* point : {&range, &least}) point->warms_up = false, point->enough = 1;
  Schedule schedule = machine.schedule({range, least}, 10);
  EXPECT_TRUE(schedule.run());
  EXPECT_EQ(machine.visited, (std::vector<std::string>{"least", "least", "range"}));
  EXPECT_EQ(repetitions(schedule), (std::vector<size_t>{2, 2}));
  EXPECT_EQ(machine.now, 4);
}

// One repetition, then passes of 16 / 8 = 2 until there are 16: 1 + 8 * 2.
TEST(Schedule, EndsWhenThereIsEnough) {
  FakeMachine machine;
  Point point = machine.point("point", Worth::least, 0);
  point.warms_up = false, point.enough = 16;
  Schedule schedule = machine.schedule({point}, 1000);
  EXPECT_TRUE(schedule.run());
  EXPECT_EQ(repetitions(schedule), (std::vector<size_t>{17}));
  EXPECT_EQ(machine.now, 17);
}

// 1 s was spent before. A point takes 3 s, so two do not fit in 5; all three would have ended at 1 + 3 * 3.
TEST(Schedule, SaysHowLongTheLeastTakes) {
  FakeMachine machine;
  machine.now = 1;
  Schedule schedule = machine.schedule({machine.point("a", Worth::least, 1), machine.point("b", Worth::least, 1),
                                        machine.point("c", Worth::least, 1), machine.point("d", Worth::range, 0)},
                                       5);
  EXPECT_FALSE(schedule.run());
  EXPECT_EQ(machine.visited, std::vector<std::string>{"a"});
  EXPECT_EQ(schedule.least_s(), 10);
  EXPECT_EQ(machine.now, 4);
}

}  // namespace
}  // namespace moesaic::executor
