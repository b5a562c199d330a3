// Waits for others: whom an operation waits for, what a rank says about it and when.
#include "executor/runtime/lanes/watch.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "core/plan/plan.h"
#include "core/schema/error.h"
#include "executor/comm/communicator.h"
#include "executor/comm/local_transport.h"

namespace moesaic::executor {
namespace {

/// Waits for ranks 1 and 3 until somebody sets `complete`.
class Unanswered final : public Operation {
 public:
  std::vector<int> waiting_for() const override { return {1, 3}; }
  bool complete = false;

 private:
  bool advance() override { return complete; }
};

struct WatchEvent {
  StallEvent event;
  Stall stall;
};

Watch watch_of(StallLimits limits, std::vector<WatchEvent>& events) {
  Watch::Hooks hooks;
  hooks.on_stall = [&](const Stall& stall, StallEvent event) { events.push_back({event, stall}); };
  return Watch(0, limits, hooks);
}

/// Three communicators of ranks 0, 1 and 2; nobody else's thread runs, so the order of polls is the test's.
struct Three {
  LocalWorld world{3};
  Communicator a{world.transport(0), {0, 1, 2}, 0}, b{world.transport(1), {0, 1, 2}, 0},
      c{world.transport(2), {0, 1, 2}, 0};
};

TEST(WaitingFor, NamesTheRanksThatHaveNotSent) {
  Three t;
  float all[3] = {1, 0, 0}, all_b[3] = {0, 2, 0}, all_c[3] = {0, 0, 3};
  const auto of_a = t.a.all_gather(0, all, 4, all);
  of_a->poll();
  EXPECT_EQ(of_a->waiting_for(), (std::vector<int>{1, 2}));
  const auto of_c = t.c.all_gather(0, all_c + 2, 4, all_c);
  for (int i = 0; i < 4; ++i) of_a->poll(), of_c->poll();
  EXPECT_EQ(of_a->waiting_for(), std::vector<int>{1});
  EXPECT_EQ(of_c->waiting_for(), std::vector<int>{1});
  const auto of_b = t.b.all_gather(0, all_b + 1, 4, all_b);
  for (int i = 0; i < 4; ++i) of_a->poll(), of_b->poll(), of_c->poll();
  EXPECT_EQ(of_a->waiting_for(), std::vector<int>{});
  EXPECT_TRUE(of_a->poll() && of_b->poll() && of_c->poll());
}

// A sum of two slices: rank 1 takes part, rank 2 does not. In its first stage rank 0 lacks rank 2 alone.
TEST(WaitingFor, NamesTheRanksThatASumLacks) {
  Three t;
  std::vector<float> x(96, 1), y(96, 1);
  const auto of_a = t.a.all_reduce(0, x.data(), 96), of_b = t.b.all_reduce(0, y.data(), 96);
  for (int i = 0; i < 4; ++i) of_a->poll(), of_b->poll();
  EXPECT_EQ(of_a->waiting_for(), std::vector<int>{2});
  EXPECT_EQ(of_b->waiting_for(), std::vector<int>{2});
}

// Round 1 of the dissemination barrier: rank 0 tells 1 and hears from 2.
TEST(WaitingFor, NamesTheRanksOfABarriersRound) {
  Three t;
  const auto of_a = t.a.barrier(0);
  of_a->poll();
  EXPECT_EQ(of_a->waiting_for(), (std::vector<int>{1, 2}));
}

TEST(Watch, WarnsOnceThenEndsTheRun) {
  std::vector<WatchEvent> events;
  Watch watch = watch_of({0.02, 0.05}, events);
  const Unanswered operation;
  std::string error;
  try {
    while (true) watch.idle(operation, "layer 3 / forward / dispatch");
  } catch (const DeviceError& caught) {
    error = caught.what();
  }
  ASSERT_EQ(events.size(), 2);
  EXPECT_EQ(events[0].event, StallEvent::begins);
  EXPECT_EQ(events[1].event, StallEvent::times_out);
  EXPECT_EQ(events[1].stall.missing, (std::vector<int>{1, 3}));
  EXPECT_GE(events[0].stall.seconds, 0.02);
  EXPECT_GE(events[1].stall.seconds, 0.05);
  EXPECT_EQ(error, text_of(events[1].stall) + "; that is longer than the stall timeout");
}

TEST(Watch, SaysNoMoreThanItKnows) {
  EXPECT_EQ(text_of({0, {1}, 10.04, "layer 3 / forward / dispatch"}),
            "rank 1 has not answered for 10.0 s; rank 0 waits for it in 'layer 3 / forward / dispatch'");
  EXPECT_EQ(text_of({2, {0, 1, 3}, 120, "end of step 7"}),
            "ranks 0, 1 and 3 have not answered for 120.0 s; rank 2 waits for them in 'end of step 7'");
}

// 0.7 s without a poll count as 0.5 s: this rank did not run either.
TEST(Watch, DoesNotCountTheTimeInWhichItsOwnRankWasStopped) {
  std::vector<WatchEvent> events;
  Watch watch = watch_of({0.65, 0.65}, events);
  const Unanswered operation;
  watch.idle(operation, "t");
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  watch.idle(operation, "t");
  EXPECT_EQ(events.size(), 0);
}

TEST(Watch, StartsAgainAfterProgress) {
  std::vector<WatchEvent> events;
  Watch watch = watch_of({0.3, 0}, events);
  const Unanswered operation;
  for (int i = 0; i < 4; ++i) {  // 4 waits of 0.1 s, none of 0.3 s
    watch.idle(operation, "t");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    watch.idle(operation, "t");
    watch.progress();
  }
  EXPECT_EQ(events.size(), 0);
}

TEST(Watch, SaysForWhomItWaitsWhenTheJobIsEnded) {
  std::vector<WatchEvent> events;
  Watch::Hooks hooks;
  hooks.ending = [] { return true; };
  hooks.on_stall = [&](const Stall& stall, StallEvent event) { events.push_back({event, stall}); };
  Watch watch(0, {}, hooks);
  const Unanswered operation;
  EXPECT_THROW(watch.idle(operation, "t"), DeviceError);
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].event, StallEvent::cut_short);
}

}  // namespace
}  // namespace moesaic::executor
