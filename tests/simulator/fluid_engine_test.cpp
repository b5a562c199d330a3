// The fluid model alone, with times counted by hand, and against SimGrid on steps of every kind.
#include "simulator/fluid_engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "simulator/fluid_evaluator.h"
#include "simulator/simulation.h"
#include "tests/simulator/varied_plans.h"

namespace moesaic::simulator {
namespace {

using Tag = ActivityEngine::Tag;
using enum ActivityEngine::Direction;

/// When each tag was told.
std::map<Tag, Seconds> run(
    FluidEngine& engine, const std::function<void(Tag)>& then = [](Tag) {}) {
  std::map<Tag, Seconds> ends;
  engine.run([&](Tag tag) {
    ends[tag] = engine.now();
    then(tag);
  });
  return ends;
}

// Two flows of 10 and 30 bytes at 10 bytes/s: both at 5 until 2 s, when the first has its 10; then 20 more at 10: 4 s.
// The other direction and another port know nothing of it.
TEST(FluidEngine, SharesADirectionOfAPortEqually) {
  FluidEngine engine;
  const auto port = engine.add_port("port", 10), other = engine.add_port("other", 10);
  engine.transfer(port, out, 10, 1, 1);
  engine.transfer(port, out, 30, 1, 2);
  engine.transfer(port, in, 30, 1, 3);
  engine.transfer(other, out, 10, 1, 4);
  EXPECT_EQ(run(engine), (std::map<Tag, Seconds>{{1, 2}, {2, 4}, {3, 3}, {4, 1}}));
}

// A flow of 40 bytes alone at 8 bytes/s until 1 s (32 left), then beside three copies of 4 bytes, which take 4 parts
// of 2 bytes/s: they end at 3 s, told once, with 28 left: 3.5 s more.
TEST(FluidEngine, CountsCopiesOfAFlow) {
  FluidEngine engine;
  const auto port = engine.add_port("port", 8);
  engine.transfer(port, out, 40, 1, 1);
  engine.delay(1, 2);
  std::map<Tag, int> told;
  const auto ends = run(engine, [&](Tag tag) {
    ++told[tag];
    if (tag == 2) engine.transfer(port, out, 4, 3, 3);
  });
  EXPECT_EQ(ends, (std::map<Tag, Seconds>{{1, 6.5}, {2, 1}, {3, 3}}));
  EXPECT_EQ(told, (std::map<Tag, int>{{1, 1}, {2, 1}, {3, 1}}));
}

// 6 s of work, half as fast between 1 and 3 s: 1 + 1 done by then, 4 more: 7 s.
TEST(FluidEngine, SlowsACoreForAWhile) {
  FluidEngine engine;
  const auto core = engine.add_core("core", 2);
  engine.compute(core, 6, 1);
  engine.delay(1, 2);
  engine.delay(3, 3);
  EXPECT_EQ(run(engine,
                [&](Tag tag) {
                  if (tag > 1) engine.set_slowed(core, tag == 2);
                }),
            (std::map<Tag, Seconds>{{1, 7}, {2, 1}, {3, 3}}));
}

// Oracle: a plain loop that finds the next end among all flows each time. 40 flows of hashed sizes come at hashed times
// to 3 ports.
TEST(FluidEngine, AgreesWithAPlainLoop) {
  struct Flow {
    int port;
    double left;
    Seconds start, end;
  };
  std::vector<Flow> flows;
  for (unsigned i = 0; i < 40; ++i)
    flows.push_back({static_cast<int>(i * 7 % 3), 1.0 + i * 37 % 23, static_cast<double>(i * 13 % 11), -1});
  FluidEngine engine;
  for (int port = 0; port < 3; ++port) engine.add_port("port", 2.0 + port);
  for (size_t i = 0; i < flows.size(); ++i) engine.delay(flows[i].start, 1000 + i);
  const auto ends = run(engine, [&](Tag tag) {
    if (tag >= 1000) engine.transfer(flows[tag - 1000].port, out, flows[tag - 1000].left, 1, tag - 1000);
  });
  for (int port = 0; port < 3; ++port) {
    for (Seconds now = 0;;) {
      std::vector<Flow*> active;
      Seconds next = 1e9;
      for (Flow& flow : flows) {
        if (flow.port != port || flow.end >= 0) continue;
        if (flow.start <= now)
          active.push_back(&flow);
        else
          next = std::min(next, flow.start);
      }
      const double rate = (2.0 + port) / static_cast<double>(active.size());
      for (const Flow* flow : active) next = std::min(next, now + flow->left / rate);
      if (next == 1e9) break;
      for (Flow* flow : active) {
        flow->left -= (next - now) * rate;
        if (flow->left < 1e-9) flow->end = next;
      }
      now = next;
    }
  }
  for (size_t i = 0; i < flows.size(); ++i) EXPECT_NEAR(ends.at(i), flows[i].end, 1e-9) << i;
}

/// SimGrid counts whole units of 1/1024 byte and merges ends within 1e-12 s.
constexpr double kSimgridPrecision = 1e-6;

void expect_alike(const NamedPlan& named) {
  SCOPED_TRACE(named.name);
  const SimulationResult simgrid = simulate(named.plan, {true, 0, EngineKind::simgrid});
  const SimulationResult fluid = simulate(named.plan, {true, 0, EngineKind::fluid});
  const Prediction &a = simgrid.evaluation.prediction, &b = fluid.evaluation.prediction;
  EXPECT_NEAR(a.step_seconds, b.step_seconds, 1e-7 * a.step_seconds);
  EXPECT_NEAR(a.exposed_communication_seconds, b.exposed_communication_seconds, kSimgridPrecision * a.step_seconds);
  EXPECT_NEAR(a.bubble_seconds, b.bubble_seconds, kSimgridPrecision * a.step_seconds);
  EXPECT_EQ(a.peak_bytes, b.peak_bytes);
  EXPECT_EQ(simgrid.evaluation.price_basis, fluid.evaluation.price_basis);
  EXPECT_EQ(simgrid.evaluation.activities, fluid.evaluation.activities);
  ASSERT_EQ(simgrid.timeline.times.size(), fluid.timeline.times.size());
  double worst = 0;
  for (size_t i = 0; i < simgrid.timeline.times.size(); ++i) {
    const TaskTime &x = simgrid.timeline.times[i], &y = fluid.timeline.times[i];
    ASSERT_EQ(std::pair(x.rank, x.task), std::pair(y.rank, y.task));
    worst = std::max(
        {worst, std::abs(x.start - y.start) / std::max(x.end, 1e-9), std::abs(x.end - y.end) / std::max(x.end, 1e-9)});
  }
  EXPECT_LE(worst, kSimgridPrecision);
}

TEST(FluidEngine, TimesEveryTaskAsSimGridDoes) {
  for (const NamedPlan& named : varied_plans()) expect_alike(named);
}

TEST(FluidEngine, TimesPolledCoresAsSimGridDoes) {
  for (const NamedPlan& named : polled_plans()) expect_alike(named);
}

TEST(FluidEvaluator, AnswersAsOftenAsAskedWithTheSameBits) {
  std::vector<Plan> plans;
  for (const NamedPlan& named : varied_plans()) plans.push_back(named.plan);
  plans.resize(3);
  FluidEvaluator evaluator;
  const std::vector<Evaluation> once = evaluator.evaluate(plans), twice = evaluator.evaluate(plans);
  ASSERT_EQ(once.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_GT(once[i].prediction.step_seconds, 0);
    EXPECT_EQ(once[i].prediction.step_seconds, twice[i].prediction.step_seconds);
    EXPECT_EQ(once[i].activities, twice[i].activities);
  }
}

}  // namespace
}  // namespace moesaic::simulator
