#include <chrono>
#include <limits>

#include "core/schema/error.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

class BackendOnCuda : public CudaTest {
 protected:
  /// y = a + b as a task on the compute lane.
  void launch_add(const DeviceFloats& a, const DeviceFloats& b, const DeviceFloats& y, int64_t n) {
    launch_add(a.data(), b.data(), y.data(), n);
  }
  void launch_add(float* a, float* b, float* y, int64_t n) {
    Task task;
    task.op = Op::add;
    task.fixed_rows = 1;
    task.shape.k = n;
    const Operand reads[] = {{0, a, 1, n}, {1, b, 1, n}}, writes[] = {{2, y, 1, n}};
    backend->launch({task, reads, writes, {}, StepContext{}});
  }
  void await(Event event) {
    while (!backend->done(event)) {
    }
  }
};

constexpr int64_t kLarge = 8 << 20;  // elements: long enough that lanes really overlap

TEST_F(BackendOnCuda, ACopyWaitsForTheComputeLane) {
  const DeviceFloats one(*backend, Floats(kLarge, 1.0f)), sum(*backend, Floats(kLarge, 0.0f));
  auto* host = static_cast<float*>(backend->host_staging().allocate(kLarge * 4));
  for (int i = 0; i < 100; ++i) launch_add(sum, one, sum, kLarge);
  const Event computed = backend->record(Lane::compute);
  backend->wait_for(Lane::copy_out, computed);
  backend->copy(Lane::copy_out, host, sum.data(), kLarge * 4);
  const Event copied = backend->record(Lane::copy_out);
  EXPECT_GT(copied, computed);
  await(copied);
  EXPECT_TRUE(backend->done(computed));
  EXPECT_EQ(Floats(host, host + kLarge), Floats(kLarge, 100.0f));
  backend->host_staging().release(host);
}

TEST_F(BackendOnCuda, EventsAreNumberedUpwardsAndStayDone) {
  Event last = 0;
  for (int i = 0; i < 1000; ++i) {
    const Event event = backend->record(static_cast<Lane>(i % kNumLanes));
    ASSERT_EQ(event, last + 1);
    last = event;
  }
  await(last);
  backend->synchronize();
  for (Event event = 1; event <= last; ++event) ASSERT_TRUE(backend->done(event));
  backend->wait_for(Lane::compute, 1);
  EXPECT_THROW(backend->done(last + 1), InvariantError);
}

TEST_F(BackendOnCuda, ReusesReleasedMemoryOfTheSameClass) {
  void* first = backend->allocate(10'000);
  backend->release(first);
  EXPECT_EQ(backend->allocate(9'999), first);
  void* second = backend->allocate(10'000);
  EXPECT_NE(second, first);
  EXPECT_EQ(backend->allocated_bytes(), 2 * size_class(10'000));
  backend->release(first);
  backend->release(second);
  EXPECT_THROW(backend->release(second), InvariantError);
}

TEST_F(BackendOnCuda, MemoryReleasedUnderRunningWorkIsNotOverwritten) {
  const DeviceFloats zero(*backend, Floats(kLarge, 0.0f)), one(*backend, Floats(kLarge, 1.0f)),
      sum(*backend, Floats(kLarge, 0.0f));
  auto* term = static_cast<float*>(backend->allocate(kLarge * 4));
  launch_add(zero.data(), one.data(), term, kLarge);
  for (int i = 0; i < 50; ++i) launch_add(sum.data(), term, sum.data(), kLarge);
  backend->release(term);
  void* other = backend->allocate(kLarge * 4, Lane::copy_in);  // the same block, behind the sums
  EXPECT_EQ(other, term);
  backend->copy(Lane::copy_in, other, zero.data(), kLarge * 4);
  EXPECT_EQ(sum.values(), Floats(kLarge, 50.0f));
  backend->release(other);
}

// Scratch is copied through while a graph is captured; afterwards a larger call moves it, and the graph still copies
// through memory of its own.
TEST_F(BackendOnCuda, AGraphKeepsTheScratchThatItWasCapturedWith) {
  StreamScratch& scratch = backend->linear().scratch();
  const DeviceFloats from(*backend, {1.0f, 2.0f}), to(*backend, {0.0f, 0.0f});
  void* captured = scratch.get(stream, Scratch::turned, 8);
  ASSERT_TRUE(backend->begin_capture());
  backend->copy(Lane::compute, captured, from.data(), 8);
  backend->copy(Lane::compute, to.data(), captured, 8);
  backend->end_capture();
  EXPECT_EQ(scratch.get(stream, Scratch::turned, 8), captured);
  void* larger = scratch.get(stream, Scratch::turned, 1 << 20);
  backend->clear(Lane::compute, larger, 1 << 20);
  backend->replay();
  EXPECT_EQ(to.values(), (Floats{1.0f, 2.0f}));
  Floats zeros(1 << 18, 1.0f);
  backend->copy(Lane::compute, zeros.data(), larger, 1 << 20);
  backend->synchronize();
  EXPECT_EQ(zeros, Floats(1 << 18, 0.0f));
}

TEST_F(BackendOnCuda, ScratchDoesNotGrowWhileAGraphIsCaptured) {
  StreamScratch& scratch = backend->linear().scratch();
  ASSERT_TRUE(backend->begin_capture());
  EXPECT_THROW(scratch.get(stream, Scratch::turned, 8), DeviceError);
  backend->end_capture();
  EXPECT_NE(scratch.get(stream, Scratch::turned, 8), nullptr);
}

// Marks of one lane ascend and lie between the host's times around them.
TEST_F(BackendOnCuda, MarksTellWhenALanePassed) {
  const DeviceFloats x(*backend, Floats(kLarge, 1.0f));
  backend->settle();
  const auto now = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  };
  Seconds begin = 0, end = 0;
  const Seconds before = now();
  backend->mark(Lane::compute, &begin);
  launch_add(x.data(), x.data(), x.data(), kLarge);
  backend->mark(Lane::compute, &end);
  backend->settle();
  EXPECT_LT(before - 1e-3, begin);  // the base event is read a little after the device has passed it
  EXPECT_LT(begin, end);
  EXPECT_LT(end, now() + 1e-3);
}

// f32: 2^64 has no finite square. The first in the order of the operands counts.
TEST_F(BackendOnCuda, FindsTheFirstElementWithoutAFiniteSquare) {
  Floats bad(1000, 1.0f);
  bad[700] = 0x1p64f, bad[900] = std::numeric_limits<float>::quiet_NaN();
  const DeviceFloats good(*backend, Floats(1000, 1.0f)), wrong(*backend, bad);
  const Operand fine{0, good.data(), 1, 1000}, broken{1, wrong.data(), 1, 1000};
  const NonFinite found = backend->find_non_finite(std::vector<Operand>{fine, broken, fine}, nullptr);
  EXPECT_EQ(found.operand, 1);
  EXPECT_EQ(found.element, 700);
  EXPECT_EQ(backend->find_non_finite(std::vector<Operand>{fine, fine}, nullptr).operand, -1);
}

TEST_F(BackendOnCuda, OutOfMemoryNamesTheBytesAndLeavesTheBackendUsable) {
  EXPECT_THROW(
      {
        try {
          backend->allocate(Bytes{1} << 50);
        } catch (const DeviceError& error) {
          EXPECT_NE(
              std::string(error.what()).find("no memory for " + format_bytes(static_cast<double>(Bytes{1} << 50))),
              std::string::npos)
              << error.what();
          throw;
        }
      },
      DeviceError);
  const DeviceFloats x(*backend, {1.0f, 2.0f});
  EXPECT_EQ(x.values(), (Floats{1.0f, 2.0f}));
}

TEST_F(BackendOnCuda, TwoRanksShareADevice) {
  CudaBackend other;
  const DeviceFloats here(*backend, {1.0f, 2.0f, 3.0f}), there(other, {10.0f, 20.0f, 30.0f});
  launch_add(here, here, here, 3);
  EXPECT_EQ(here.values(), (Floats{2.0f, 4.0f, 6.0f}));
  EXPECT_EQ(there.values(), (Floats{10.0f, 20.0f, 30.0f}));
}

TEST_F(BackendOnCuda, SaysWhichOperatorIsMissing) {
  Task task;
  for (const Op op : {Op::load_experts, Op::drain_gradients}) {  // what the host does
    task.op = op;
    EXPECT_THROW(backend->launch({task, {}, {}, {}, StepContext{}}), DeviceError) << name_of(op);
  }
  task.op = Op::all_to_all;
  EXPECT_THROW(backend->launch({task, {}, {}, {}, StepContext{}}), InvariantError);
}

}  // namespace
}  // namespace moesaic::executor::cuda
