#include "executor/runtime/lanes/capture.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/schema/error.h"
#include "tests/executor/runtime/lanes/idle_backend.h"

namespace moesaic::executor {
namespace {

/// Notes down what it is asked to do with a graph.
class Camera final : public testing::IdleBackend {
 public:
  explicit Camera(bool can = true) : can_(can) {}
  bool begin_capture() override {
    log.push_back("begin");
    return can_;
  }
  void end_capture() override { log.push_back("end"); }
  void replay() override { log.push_back("replay"); }

  std::vector<std::string> log;

 private:
  const bool can_;
};

/// Runs a step as RankStep does; what the backend was asked for in it.
std::vector<std::string> step(Capture& capture, Camera& camera) {
  camera.log.clear();
  if (!capture.start_step(0) && capture.running()) capture.finish(0);
  capture.end_step();
  return camera.log;
}

using Log = std::vector<std::string>;

TEST(Capture, FollowsAnOrdinaryStepAndIsReplayedFromThereOn) {
  Camera camera;
  Capture capture(camera, true);
  EXPECT_EQ(step(capture, camera), Log{});
  EXPECT_FALSE(capture.captures());
  EXPECT_EQ(step(capture, camera), (Log{"begin", "end", "replay"}));
  EXPECT_TRUE(capture.captures());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(step(capture, camera), Log{"replay"});
  EXPECT_TRUE(capture.captures());
}

TEST(Capture, IsLeftOutWhereNobodyWantsIt) {
  Camera camera;
  Capture capture(camera, false);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(step(capture, camera), Log{});
  EXPECT_FALSE(capture.captures());
}

TEST(Capture, IsTriedOnceOnADeviceThatCannot) {
  Camera camera(false);
  Capture capture(camera, true);
  step(capture, camera);
  EXPECT_EQ(step(capture, camera), Log{"begin"});
  EXPECT_EQ(step(capture, camera), Log{});
  EXPECT_FALSE(capture.captures());
}

// A graph that is replayed finds its memory where it was: 8 bytes more than at its first task are somebody's still.
TEST(Capture, RefusesTasksThatLeaveTensorsBehind) {
  Camera camera;
  Capture capture(camera, true);
  step(capture, camera);
  EXPECT_FALSE(capture.start_step(100));
  EXPECT_TRUE(capture.running());
  EXPECT_THROW(capture.finish(108), InvariantError);
}

}  // namespace
}  // namespace moesaic::executor
