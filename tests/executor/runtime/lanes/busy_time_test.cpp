#include "executor/runtime/lanes/busy_time.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "executor/machine/steady_clock.h"
#include "tests/executor/runtime/lanes/idle_backend.h"

namespace moesaic::executor {
namespace {

constexpr Seconds kSleep = 20e-3, kClocks = 1e-6;  // by which clocks may differ

void sleep() { std::this_thread::sleep_for(std::chrono::duration<double>(kSleep)); }

/// A device that claims to have slept.
class Sleeper final : public testing::IdleBackend {
 public:
  Seconds slept() const override { return slept_s; }
  bool runs_inline() const override { return is_inline; }

  Seconds slept_s = 0;
  bool is_inline = true;
};

// A thread that sleeps has no processor time: of the wall time all is lost.
TEST(BusyTime, LosesWhatTheCoreDoesNotGiveToWork) {
  const Sleeper backend;
  BusyTime busy(backend);
  busy.works();
  sleep();
  busy.works();  // changes nothing
  busy.rests();
  EXPECT_GE(busy.take_lost(), kSleep - kClocks);
  EXPECT_EQ(busy.take_lost(), 0);  // taken
}

// Lost is at most the wall time of work, whatever else the machine does meanwhile.
TEST(BusyTime, LosesNothingAtRest) {
  const Sleeper backend;
  BusyTime busy(backend);
  Seconds worked = 0;
  for (int i = 0; i < 3; ++i) {
    const Seconds start = steady_seconds();
    busy.works();
    busy.rests();
    worked += steady_seconds() - start;
    sleep();
  }
  EXPECT_LE(busy.take_lost(), worked + 3 * kClocks);
}

// Of yields of 3, 2 and 5 s at rest: 2 s before the first work, 5 s before the second; nothing before the third.
TEST(BusyTime, LosesTheLastYieldOfAWait) {
  const Sleeper backend;
  BusyTime busy(backend);
  const Seconds start = steady_seconds();
  busy.yielded(3);
  busy.yielded(2);
  busy.works();
  busy.rests();
  busy.yielded(5);
  busy.works();
  busy.rests();
  busy.works();
  const Seconds lost = busy.take_lost();
  EXPECT_GE(lost, 7);
  EXPECT_LE(lost, 7 + steady_seconds() - start + 3 * kClocks);
}

TEST(BusyTime, LosesNothingByAPurposefulSleep) {
  Sleeper backend;
  BusyTime busy(backend);
  busy.works();
  backend.slept_s = 1e6;  // longer than this test may last
  busy.rests();
  EXPECT_EQ(busy.take_lost(), 0);
}

TEST(BusyTime, MeasuresNothingOfADeviceThatWorksByItself) {
  Sleeper backend;
  backend.is_inline = false;
  BusyTime busy(backend);
  EXPECT_FALSE(busy.measures());
  busy.works();
  sleep();
  busy.rests();
  busy.yielded(1);
  busy.works();
  EXPECT_EQ(busy.take_lost(), 0);
}

}  // namespace
}  // namespace moesaic::executor
