// What the CUDA room decides on the host; none of it needs a GPU.
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "core/schema/error.h"
#include "executor/cuda/cuda_backend.h"
#include "executor/cuda/cuda_check.h"
#include "executor/cuda/event_ledger.h"
#include "executor/cuda/matmul_key.h"
#include "executor/cuda/pinned_arena.h"
#include "executor/cuda/size_class_cache.h"

namespace moesaic::executor::cuda {
namespace {

DeviceEventHandle handle(uintptr_t number) { return reinterpret_cast<DeviceEventHandle>(number); }

TEST(SizeClass, HasEightStepsPerPowerOfTwo) {
  EXPECT_EQ(size_class(0), 512);
  EXPECT_EQ(size_class(512), 512);
  EXPECT_EQ(size_class(513), 576);    // steps of 512 / 8 = 64
  EXPECT_EQ(size_class(1023), 1024);  // the last step of 512 ... 1024
  EXPECT_EQ(size_class(1025), 1152);  // steps of 128
  EXPECT_EQ(size_class(Bytes{5} << 30), Bytes{5} << 30);
  for (Bytes bytes = 513; bytes < 100'000; bytes += 7) {
    ASSERT_GE(size_class(bytes), bytes);
    ASSERT_LE(size_class(bytes), bytes + bytes / 8);
    ASSERT_EQ(size_class(size_class(bytes)), size_class(bytes));
  }
}

TEST(SizeClassCache, GivesOutTheBlockOfTheClassThatWasReleasedFirst) {
  int first = 0, second = 0, other = 0;
  SizeClassCache cache;
  cache.put(&first, 1024, {3, 0, 0, 0, 0});
  cache.put(&second, 1024, {9, 0, 4, 0, 0});
  cache.put(&other, 2048, {0, 0, 0, 0, 0});
  EXPECT_EQ(cache.held_bytes(), 4096);
  const SizeClassCache::Block taken = cache.take(1024);
  EXPECT_EQ(taken.data, &first);
  EXPECT_EQ(taken.fence, (Fence{3, 0, 0, 0, 0}));
  EXPECT_EQ(cache.take(512).data, nullptr);
  EXPECT_EQ(cache.held_bytes(), 3072);
  EXPECT_EQ(cache.drain(), (std::vector<void*>{&second, &other}));
  EXPECT_EQ(cache.held_bytes(), 0);
}

TEST(EventLedger, NumbersUpwardsOverAllLanes) {
  EventLedger ledger;
  EXPECT_EQ(ledger.add(Lane::compute, handle(0x10)), 1);
  EXPECT_EQ(ledger.add(Lane::network, handle(0x20)), 2);
  EXPECT_EQ(ledger.add(Lane::compute, handle(0x30)), 3);
  EXPECT_EQ(ledger.pending(2), handle(0x20));
  EXPECT_THROW(ledger.pending(4), InvariantError);
  EXPECT_THROW(ledger.pending(0), InvariantError);
}

TEST(EventLedger, AnEventTakesTheEarlierOnesOfItsLaneWithIt) {
  EventLedger ledger;
  for (uintptr_t i = 1; i <= 6; ++i) ledger.add(i % 2 == 1 ? Lane::compute : Lane::copy_in, handle(0x10 * i));
  // compute: 1, 3, 5; copy_in: 2, 4, 6
  EXPECT_EQ(ledger.pass(3), (std::vector<DeviceEventHandle>{handle(0x10), handle(0x30)}));
  EXPECT_EQ(ledger.pending(1), nullptr);
  EXPECT_EQ(ledger.pending(3), nullptr);
  EXPECT_EQ(ledger.pending(5), handle(0x50));
  EXPECT_EQ(ledger.pending(2), handle(0x20));
  EXPECT_EQ(ledger.oldest(Lane::compute), 5);
  EXPECT_EQ(ledger.oldest(Lane::copy_in), 2);
  EXPECT_EQ(ledger.oldest(Lane::storage), std::nullopt);
  EXPECT_TRUE(ledger.pass(3).empty());
}

TEST(ArenaLayout, FillsFirstGapsAndMergesNeighbours) {
  ArenaLayout layout(1100);  // 4 steps of 256 bytes
  EXPECT_EQ(layout.capacity(), 1024);
  EXPECT_EQ(layout.take(1), 0);
  EXPECT_EQ(layout.take(257), 256);  // 2 steps
  EXPECT_EQ(layout.take(256), 768);
  EXPECT_EQ(layout.used_bytes(), 1024);
  EXPECT_EQ(layout.take(1), std::nullopt);
  layout.give_back(0);
  layout.give_back(768);
  EXPECT_EQ(layout.take(512), std::nullopt);  // two gaps of 256 that do not touch
  layout.give_back(256);
  EXPECT_EQ(layout.used_bytes(), 0);
  EXPECT_EQ(layout.take(1024), 0);  // one gap again
  EXPECT_THROW(layout.give_back(256), InvariantError);
}

TEST(ArenaLayout, OfNoBytesGivesNothing) { EXPECT_EQ(ArenaLayout(255).take(1), std::nullopt); }

TEST(ArenaLayout, MergesInEveryOrderOfRelease) {
  std::vector<int> order = {0, 1, 2, 3, 4};
  do {
    ArenaLayout layout(5 * 256);
    for (int i = 0; i < 5; ++i) ASSERT_EQ(layout.take(256), i * 256);
    for (int i : order) layout.give_back(i * 256);
    ASSERT_EQ(layout.take(5 * 256), 0);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(PinnedArena, FallsBackToPageableMemoryBeyondItsCap) {
  PinnedArena arena(1 << 20);
  void* small = arena.allocate(1 << 19);
  void* large = arena.allocate(1 << 20);  // does not fit beside the first
  std::memset(small, 1, 1 << 19);
  std::memset(large, 2, 1 << 20);
  EXPECT_EQ(arena.is_pinned(small), device_count() > 0);
  EXPECT_FALSE(arena.is_pinned(large));
  EXPECT_EQ(arena.pageable_bytes(), (device_count() > 0 ? 0 : 1 << 19) + (1 << 20));
  EXPECT_LE(arena.pinned_capacity(), 1 << 20);
  arena.release(large);
  arena.release(small);
  EXPECT_EQ(arena.pageable_bytes(), 0);
  EXPECT_THROW(arena.release(&arena), InvariantError);
}

TEST(MatmulKey, DiffersInEveryFieldThatAnAlgorithmDependsOn) {
  const MatmulKey base{{64, 32, 16, Transpose::no, Transpose::yes, false}, DType::f32, DType::f32, 256, 256, 256};
  std::vector<MatmulKey> keys(12, base);
  keys[1].shape.m = 65, keys[2].shape.n = 33, keys[3].shape.k = 17;
  keys[4].shape.transpose_a = Transpose::yes, keys[5].shape.transpose_b = Transpose::no;
  keys[6].shape.accumulate = true, keys[7].operands = DType::bf16;
  keys[8].align_a = 4, keys[9].align_b = 4, keys[10].align_c = 4;
  keys[11].result = DType::bf16;
  std::set<size_t> hashes;
  for (size_t i = 0; i < keys.size(); ++i) {
    hashes.insert(MatmulKeyHash()(keys[i]));
    for (size_t j = 0; j < keys.size(); ++j) EXPECT_EQ(keys[i] == keys[j], i == j) << i << " " << j;
  }
  EXPECT_EQ(hashes.size(), keys.size());
  EXPECT_EQ(MatmulKeyHash()(MatmulKey(base)), MatmulKeyHash()(base));
}

TEST(MatmulKey, KnowsTheAlignmentOfAPointer) {
  const auto at = [](uintptr_t address) { return alignment_of(reinterpret_cast<const void*>(address)); };
  EXPECT_EQ(at(0x1000), 256u);
  EXPECT_EQ(at(0x1040), 64u);
  EXPECT_EQ(at(0x1004), 4u);
  EXPECT_EQ(at(0x1006), 2u);
  EXPECT_EQ(at(0x1001), 1u);
}

template <typename Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const DeviceError& error) {
    return error.what();
  }
  return "no DeviceError";
}

TEST(CudaCheck, NamesReasonFileLineAndExpression) {
  EXPECT_NO_THROW(CUDA_CHECK(cudaSuccess));
  const std::string cuda = error_of([] { CUDA_CHECK(cudaErrorInvalidValue); });
  EXPECT_EQ(cuda.rfind("cuda: cudaErrorInvalidValue, ", 0), 0u) << cuda;
  EXPECT_NE(cuda.find("host_logic_test.cpp:"), std::string::npos) << cuda;
  EXPECT_NE(cuda.find(": cudaErrorInvalidValue)"), std::string::npos) << cuda;
  const std::string cublas = error_of([] { CUBLAS_CHECK(CUBLAS_STATUS_NOT_SUPPORTED); });
  EXPECT_NE(cublas.find("CUBLAS_STATUS_NOT_SUPPORTED"), std::string::npos) << cublas;
}

TEST(CudaBackend, RefusesADeviceThatIsNotThere) {
  const int count = device_count();
  EXPECT_EQ(error_of([&] { CudaBackend backend(count); }),
            "cuda: no device " + std::to_string(count) + ", this machine has " + std::to_string(count));
}

// What the host does with expert states, and collectives, are no kernels; gradients are checked by find_non_finite();
// executors refuse latent attention.
TEST(CudaBackend, HasAKernelForEveryOtherOperator) {
  for (int i = 0; i < kNumOps; ++i) {
    const Op op = static_cast<Op>(i);
    EXPECT_EQ(CudaBackend::kernels().has(op), !is_transfer(op) && !is_collective(op) && !checks_gradients(op) &&
                                                  family_of(op) != Family::latent_attention)
        << name_of(op);
  }
}

}  // namespace
}  // namespace moesaic::executor::cuda
