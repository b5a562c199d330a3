#include "tests/emulated_cuda/emulated_device.h"

#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>
#include <vector>

namespace emulated_cuda {
namespace {

constexpr int kSeeds = 32;  // orders that each test of an order tries

template <typename... Parameters, typename... Arguments>
cudaError_t launch_on(cudaStream_t stream, void (*kernel)(Parameters...), dim3 blocks, dim3 threads,
                      Arguments... arguments) {
  cudaLaunchConfig_t config;
  config.gridDim = blocks;
  config.blockDim = threads;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

class EmulatedCuda : public ::testing::Test {
 protected:
  void SetUp() override {
    reset();
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
    ASSERT_EQ(cudaMalloc(&data, kBytes), cudaSuccess);
  }
  void TearDown() override {
    reset();
    EXPECT_EQ(cudaFree(data), cudaSuccess);
    EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(other), cudaSuccess);
  }

  template <typename T>
  std::vector<T> values(size_t count) {
    std::vector<T> host(count);
    EXPECT_EQ(cudaMemcpyAsync(host.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost, stream), cudaSuccess);
    return host;
  }
  int first_int() { return values<int>(1)[0]; }

  static constexpr size_t kBytes = 64 << 10;
  cudaStream_t stream = nullptr, other = nullptr;
  cudaEvent_t event = nullptr;
  int* data = nullptr;
};

__global__ void write_index(int* out) {
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] = static_cast<int>(block * 1000 + thread);
}

TEST_F(EmulatedCuda, EveryThreadOfEveryBlockRunsOnce) {
  ASSERT_EQ(launch_on(stream, write_index, dim3(2, 3, 2), dim3(8, 2, 3), data), cudaSuccess);
  std::vector<int> expected;  // 12 blocks of 48 threads
  for (int block = 0; block < 12; ++block)
    for (int thread = 0; thread < 48; ++thread) expected.push_back(block * 1000 + thread);
  EXPECT_EQ(values<int>(expected.size()), expected);
}

// The sum of 1 .. 256 with shuffles in a warp and shared memory between warps: 256 * 257 / 2 = 32896 in each block.
__global__ void sum_of_block(int* out) {
  __shared__ int of_warp[8];
  int sum = static_cast<int>(threadIdx.x) + 1;
  for (int width = 16; width > 0; width /= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, width);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = sum;
  __syncthreads();
  int total = 0;
  for (const int part : of_warp) total += part;
  __syncthreads();
  if (threadIdx.x == 7) out[blockIdx.x] = total;
}

TEST_F(EmulatedCuda, ABlockSumsThroughShufflesAndSharedMemory) {
  for (int seed = 0; seed < kSeeds; ++seed) {
    set_order_seed(seed);
    ASSERT_EQ(launch_on(stream, sum_of_block, 3, 256, data), cudaSuccess);
    EXPECT_EQ(values<int>(3), (std::vector<int>{32896, 32896, 32896})) << "seed " << seed;
  }
}

__global__ void take_from_neighbour(int* out) {
  __shared__ int of_thread[64];
  of_thread[threadIdx.x] = static_cast<int>(blockIdx.x + 1);
  out[blockIdx.x * 64 + threadIdx.x] = of_thread[threadIdx.x ^ 1];  // a barrier is missing before this line
}

TEST_F(EmulatedCuda, AMissingBarrierShows) {
  ASSERT_EQ(launch_on(stream, take_from_neighbour, 2, 64, data), cudaSuccess);
  std::vector<int> with_barrier(64, 1);
  with_barrier.resize(128, 2);
  EXPECT_NE(values<int>(128), with_barrier);
}

__global__ void exchange_in_warp(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  out[lane] = __shfl_down_sync(0xFFFFFFFFu, lane, 1);
  out[32 + lane] = __shfl_up_sync(0xFFFFFFFFu, lane, 2, 8);
  out[64 + lane] = __shfl_sync(0xFFFFFFFFu, lane, 3, 16);
  out[96 + lane] = static_cast<int>(__ballot_sync(0xFFFFFFFFu, lane >= 30));
  out[128 + lane] = __all_sync(0xFFFFFFFFu, lane < 31) * 10 + __any_sync(0xFFFFFFFFu, lane == 31);
  out[160 + lane] = __syncthreads_count(lane < 5);
}

TEST_F(EmulatedCuda, LanesExchangeAsOnAGpu) {
  ASSERT_EQ(launch_on(stream, exchange_in_warp, 1, 32, data), cudaSuccess);
  std::vector<int> expected(192);
  for (int lane = 0; lane < 32; ++lane) {
    expected[lane] = lane == 31 ? 31 : lane + 1;
    expected[32 + lane] = lane % 8 < 2 ? lane : lane - 2;
    expected[64 + lane] = lane / 16 * 16 + 3;
    expected[96 + lane] = static_cast<int>(0xC0000000u);
    expected[128 + lane] = 1;
    expected[160 + lane] = 5;
  }
  EXPECT_EQ(values<int>(192), expected);
}

__global__ void half_a_barrier() {
  if (threadIdx.x < 16) __syncwarp();
  if (threadIdx.x >= 16) __syncthreads();
}

TEST_F(EmulatedCuda, ThreadsThatWaitForEachOtherBreakTheDevice) {
  ASSERT_EQ(launch_on(stream, half_a_barrier, 1, 32), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorLaunchFailure);
  EXPECT_NE(diagnosis().find("32 of 32 threads wait for ever"), std::string::npos) << diagnosis();
  EXPECT_EQ(launch_on(stream, half_a_barrier, 1, 32), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
}

__global__ void set(int* out, int value) { *out = value; }
__global__ void times_ten(int* out) { *out *= 10; }

// 1, then 10 times as much: 10 in order; a multiplication that comes first is overwritten by 1.
int last_of_two_streams(cudaStream_t first, cudaStream_t second, cudaEvent_t event, int* data, bool wait) {
  EXPECT_EQ(cudaMemsetAsync(data, 0, sizeof *data, first), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(first), cudaSuccess);
  EXPECT_EQ(launch_on(first, set, 1, 1, data, 1), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(event, first), cudaSuccess);
  EXPECT_EQ(wait ? cudaStreamWaitEvent(second, event) : cudaSuccess, cudaSuccess);
  EXPECT_EQ(launch_on(second, times_ten, 1, 1, data), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  int last = 0;
  EXPECT_EQ(cudaMemcpyAsync(&last, data, sizeof last, cudaMemcpyDeviceToHost, first), cudaSuccess);
  return last;
}

TEST_F(EmulatedCuda, AMissingEventShowsForSomeSeedAndAPresentOneHelpsForAll) {
  int wrong = 0;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    set_order_seed(seed);
    EXPECT_EQ(last_of_two_streams(stream, other, event, data, true), 10) << "seed " << seed;
    wrong += last_of_two_streams(stream, other, event, data, false) != 10;
  }
  EXPECT_GT(wrong, kSeeds / 8);
  EXPECT_LT(wrong, kSeeds);
}

TEST_F(EmulatedCuda, AWaitBindsToTheRecordingAtItsCall) {
  ASSERT_EQ(launch_on(stream, set, 1, 1, data, 1), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(other, event), cudaSuccess);
  ASSERT_EQ(launch_on(other, times_ten, 1, 1, data), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event, other), cudaSuccess);  // were the wait bound to this one, it would never end
  ASSERT_EQ(cudaEventSynchronize(event), cudaSuccess);
  EXPECT_EQ(first_int(), 10);
}

TEST_F(EmulatedCuda, NothingRunsAtLaunchAndAQueryEndsAtLast) {
  const uint64_t before = kernels_run();
  for (int i = 0; i < 10; ++i) ASSERT_EQ(launch_on(stream, set, 1, 1, data, i), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  EXPECT_EQ(kernels_run(), before);
  EXPECT_EQ(cudaEventQuery(event), cudaErrorNotReady);
  EXPECT_EQ(cudaGetLastError(), cudaErrorNotReady);
  int queries = 1;
  while (cudaEventQuery(event) == cudaErrorNotReady) ASSERT_LT(++queries, 100);
  EXPECT_EQ(kernels_run(), before + 10);
}

TEST_F(EmulatedCuda, PageableMemoryIsReadAtTheCallAndPageLockedMemoryLater) {
  int pageable = 1;
  int* locked = nullptr;
  ASSERT_EQ(cudaHostAlloc(&locked, sizeof *locked, cudaHostAllocPortable), cudaSuccess);
  *locked = 1;
  ASSERT_EQ(cudaMemcpyAsync(data, &pageable, sizeof(int), cudaMemcpyDefault, stream), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(data + 1, locked, sizeof(int), cudaMemcpyDefault, stream), cudaSuccess);
  pageable = *locked = 2;
  EXPECT_EQ(values<int>(2), (std::vector<int>{1, 2}));
  EXPECT_EQ(cudaFreeHost(locked), cudaSuccess);
}

// Four threads, each 20 times: its own stream and the sum of a block, 32896 as above.
TEST_F(EmulatedCuda, HostThreadsShareTheDevice) {
  std::vector<std::thread> ranks;
  std::vector<int> sums(4 * 20);
  for (int rank = 0; rank < 4; ++rank)
    ranks.emplace_back([&sums, rank] {
      cudaStream_t own = nullptr;
      int* sum = nullptr;
      EXPECT_EQ(cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking), cudaSuccess);
      EXPECT_EQ(cudaMalloc(&sum, sizeof *sum), cudaSuccess);
      for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(launch_on(own, sum_of_block, 1, 256, sum), cudaSuccess);
        EXPECT_EQ(cudaMemcpyAsync(&sums[rank * 20 + i], sum, sizeof *sum, cudaMemcpyDefault, own), cudaSuccess);
      }
      EXPECT_EQ(cudaFree(sum), cudaSuccess);
      EXPECT_EQ(cudaStreamDestroy(own), cudaSuccess);
    });
  for (std::thread& rank : ranks) rank.join();
  EXPECT_EQ(sums, std::vector<int>(4 * 20, 32896));
}

TEST_F(EmulatedCuda, NewMemoryIsNotANumber) {
  for (const float x : values<float>(kBytes / sizeof(float))) ASSERT_TRUE(std::isnan(x));
}

TEST_F(EmulatedCuda, MemoryEndsAtTheLimit) {
  size_t free = 0, total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
  const size_t used = total - free;
  set_memory_limit(used + 1024);
  void *first = nullptr, *second = nullptr;
  EXPECT_EQ(cudaMalloc(&first, 1024), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&second, 1), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaFree(first), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&second, 1), cudaSuccess);
  EXPECT_EQ(cudaFree(second), cudaSuccess);
  EXPECT_EQ(cudaFree(second), cudaErrorInvalidValue);
}

TEST_F(EmulatedCuda, CopiesOutsideABlockAreRefused) {
  int host = 0;
  EXPECT_EQ(cudaMemcpyAsync(&host, data + kBytes / sizeof(int), 4, cudaMemcpyDefault, stream), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyAsync(data, &host, 4, cudaMemcpyDeviceToDevice, stream), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemsetAsync(data, 0, kBytes + 1, stream), cudaErrorInvalidValue);
}

TEST_F(EmulatedCuda, AKernelMayNotFollowAPointerIntoPageableMemory) {
  int host = 0;
  EXPECT_EQ(launch_on(stream, set, 1, 1, &host, 1), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
}

TEST_F(EmulatedCuda, LaunchesBeyondTheLimitsAreRefused) {
  EXPECT_EQ(launch_on(stream, set, 0, 1, data, 1), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch_on(stream, set, 1, 1025, data, 1), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch_on(stream, set, dim3(1, 65536), 1, data, 1), cudaErrorInvalidConfiguration);
}

using EmulatedCudaDeathTest = EmulatedCuda;

TEST_F(EmulatedCudaDeathTest, TheHostMayNotTouchDeviceMemory) {
  EXPECT_DEATH(*static_cast<volatile int*>(data) = 1, "host code touched emulated device memory");
}

TEST_F(EmulatedCuda, ACapturedGraphKeepsTheOrderBetweenStreams) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  cudaEvent_t joined = nullptr;
  ASSERT_EQ(cudaEventCreate(&joined), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), cudaSuccess);
  ASSERT_EQ(launch_on(stream, set, 1, 1, data, 1), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(other, event), cudaSuccess);
  ASSERT_EQ(launch_on(other, times_ten, 1, 1, data), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(joined, other), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(stream, joined), cudaSuccess);
  ASSERT_EQ(launch_on(stream, times_ten, 1, 1, data), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorStreamCaptureUnsupported);
  ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph), cudaSuccess);
  ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  for (int launch = 0; launch < kSeeds; ++launch) {
    ASSERT_EQ(cudaGraphLaunch(executable, stream), cudaSuccess);
    EXPECT_EQ(first_int(), 100);
  }
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(joined), cudaSuccess);
}

TEST_F(EmulatedCuda, AStrictCaptureRefusesMemoryCallsOfItsThread) {
  cudaGraph_t graph = nullptr;
  void* block = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&block, 1), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaFree(nullptr), cudaErrorStreamCaptureUnsupported);
  ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  ASSERT_EQ(cudaMalloc(&block, 1), cudaSuccess);
  EXPECT_EQ(cudaFree(block), cudaSuccess);
}

TEST_F(EmulatedCuda, ACaptureMustBeJoined) {
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(other, event), cudaSuccess);
  ASSERT_EQ(launch_on(other, set, 1, 1, data, 1), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureUnjoined);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
}

// Halfway between two neighbours the even one: 1 + 2^-8 lies between 1 (0x3F80) and 1 + 2^-7 (0x3F81).
TEST(EmulatedBfloat16, RoundsHalvesToEven) {
  EXPECT_EQ(__bfloat16_as_ushort(__float2bfloat16_rn(1.00390625f)), 0x3F80);
  EXPECT_EQ(__bfloat16_as_ushort(__float2bfloat16_rn(1.01171875f)), 0x3F82);
  EXPECT_EQ(__bfloat162float(__float2bfloat16_rn(-2.5f)), -2.5f);
  EXPECT_EQ(__bfloat16_as_ushort(__float2bfloat16_rn(NAN)), 0x7FFF);
}

}  // namespace
}  // namespace emulated_cuda
