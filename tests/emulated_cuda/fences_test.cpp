// Who waits for whom when memory is used again. The emulated device runs what can run in a known order, so that a wait
// that nothing needs can be seen; on a GPU it would only take time.
#include <gtest/gtest.h>

#include "executor/cuda/cuda_backend.h"
#include "tests/emulated_cuda/emulated_device.h"

namespace moesaic::executor::cuda {
namespace {

constexpr Bytes kBytes = 1 << 20;

LaneSet lanes(std::initializer_list<Lane> of) {
  LaneSet set;
  for (Lane lane : of) set.add(lane);
  return set;
}

/// With seed 0 the lane of the lower number runs first, and asking whether an event has passed runs three pieces of
/// work at most: a backlog of 20 pieces on the storage lane is there until somebody needs it to end.
class Fences : public ::testing::Test {
 protected:
  Fences() {
    emulated_cuda::set_order_seed(0);
    for (int i = 0; i < 20; ++i) backend.clear(Lane::storage, elsewhere, kBytes);
    backlog = backend.record(Lane::storage);
  }
  ~Fences() override {
    backend.synchronize();
    backend.release(elsewhere);
    emulated_cuda::set_order_seed(1);
  }

  /// A block with work of the compute lane is released and taken over by the network lane; waits for that lane.
  void hand_over(LaneSet users) {
    void* block = backend.allocate(2 * kBytes);
    backend.clear(Lane::compute, block, kBytes);
    backend.release(block, users);
    ASSERT_EQ(backend.allocate(2 * kBytes, Lane::network), block);
    backend.clear(Lane::network, block, kBytes);
    const Event used = backend.record(Lane::network);
    while (!backend.done(used)) {
    }
    backend.release(block);
  }

  CudaBackend backend;
  void* elsewhere = backend.allocate(kBytes, Lane::storage);
  Event backlog = 0;
};

TEST_F(Fences, HoldBackNobodyForLanesThatDidNotUseTheBlock) {
  hand_over(lanes({Lane::compute}));
  EXPECT_FALSE(backend.done(backlog));
}

TEST_F(Fences, WaitForEveryUser) {
  hand_over(lanes({Lane::compute, Lane::storage}));
  EXPECT_TRUE(backend.done(backlog));
}

TEST_F(Fences, WaitForAllLanesWhereNobodyKnows) {
  hand_over(LaneSet::all());
  EXPECT_TRUE(backend.done(backlog));
}

}  // namespace
}  // namespace moesaic::executor::cuda
