// Every collective on the GPUs of this machine, one rank and one thread for each; with a single GPU NCCL still makes a
// communicator, of one rank. Skips where there is no GPU or no NCCL.

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/schema/bfloat16.h"
#include "core/schema/error.h"
#include "executor/cuda/cuda_backend.h"
#include "executor/nccl/device_identity.h"
#include "executor/nccl/nccl_api.h"
#include "executor/nccl/nccl_world.h"
#include "tests/executor/comm/local_ranks.h"

namespace moesaic::executor {
namespace {

template <typename T>
class OnDevice {
 public:
  OnDevice(cuda::CudaBackend& backend, std::vector<T> values) : backend_(backend), host_(std::move(values)) {
    data_ = static_cast<T*>(backend_.allocate(bytes()));
    backend_.copy(Lane::network, data_, host_.data(), bytes());
    finish();
  }
  ~OnDevice() { backend_.release(data_); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

  T* data() const { return data_; }
  std::vector<T> values() {
    backend_.copy(Lane::network, host_.data(), data_, bytes());
    finish();
    return host_;
  }

 private:
  Bytes bytes() const { return static_cast<Bytes>(host_.size() * sizeof(T)); }
  void finish() {
    for (const Event event = backend_.record(Lane::network); !backend_.done(event);) continue;
  }

  cuda::CudaBackend& backend_;
  std::vector<T> host_;
  T* data_;
};

// Member i sends member j the numbers 100 i + j, i + j + 1 of them: also to itself.
void check_all_to_all(DeviceGroup& group, cuda::CudaBackend& backend) {
  const int me = group.rank();
  std::vector<int64_t> send, send_at, receive, receive_at;
  std::vector<int32_t> sent, expected;
  for (int peer = 0; peer < group.size(); ++peer) {
    send_at.push_back(4 * static_cast<int64_t>(sent.size()));
    receive_at.push_back(4 * static_cast<int64_t>(expected.size()));
    send.push_back(4 * (me + peer + 1));
    receive.push_back(4 * (me + peer + 1));
    sent.insert(sent.end(), static_cast<size_t>(me + peer + 1), 100 * me + peer);
    expected.insert(expected.end(), static_cast<size_t>(me + peer + 1), 100 * peer + me);
  }
  OnDevice<int32_t> from(backend, sent), to(backend, std::vector<int32_t>(expected.size(), -1));
  group.all_to_all_v(from.data(), send, send_at, to.data(), receive, receive_at)->wait();
  EXPECT_EQ(to.values(), expected);
}

void check_all_gather(DeviceGroup& group, cuda::CudaBackend& backend) {
  std::vector<int32_t> expected;
  for (int member = 0; member < group.size(); ++member) expected.insert(expected.end(), 1000, member);
  OnDevice<int32_t> own(backend, std::vector<int32_t>(1000, group.rank()));
  OnDevice<int32_t> all(backend, std::vector<int32_t>(expected.size(), -1));
  group.all_gather(own.data(), 4000, all.data())->wait();
  EXPECT_EQ(all.values(), expected);
}

// Member m contributes m + 1 everywhere: P (P + 1) / 2 in the sum, at most 36 for 8 GPUs, exact in 8 bits.
template <typename T>
void check_sums(DeviceGroup& group, cuda::CudaBackend& backend, SumType type, T (*number)(float)) {
  const auto members = static_cast<size_t>(group.size());
  const T sum = number(static_cast<float>(members * (members + 1) / 2));
  const T own = number(static_cast<float>(group.rank() + 1));
  OnDevice<T> data(backend, std::vector<T>(1001, own));
  group.all_reduce(data.data(), 1001, type)->wait();
  EXPECT_EQ(data.values(), std::vector<T>(1001, sum));
  OnDevice<T> input(backend, std::vector<T>(members * 17, own)), slice(backend, std::vector<T>(17, own));
  group.reduce_scatter(input.data(), slice.data(), 17, type)->wait();
  EXPECT_EQ(slice.values(), std::vector<T>(17, sum));
}

void check_group(DeviceGroup& group, cuda::CudaBackend& backend) {
  check_all_to_all(group, backend);
  check_all_gather(group, backend);
  check_sums<float>(group, backend, SumType::f32, [](float x) { return x; });
  check_sums<BFloat16>(group, backend, SumType::bf16, to_bf16);
  check_sums<double>(group, backend, SumType::f64, [](float x) { return static_cast<double>(x); });
}

TEST(NcclOnGpus, GivesTheFormulas) {
  const int gpus = std::min(cuda::device_count(), 8);
  if (gpus == 0) GTEST_SKIP() << "no GPU";
  try {
    (void)nccl();
  } catch (const DeviceError& error) {
    GTEST_SKIP() << error.what();
  }
  LocalWorld world(gpus);
  run_ranks(world, [&](Transport& transport) {
    cuda::CudaBackend backend(transport.rank());
    backend.release(backend.allocate(1));  // makes the GPU this thread's current one
    std::vector<int> all(static_cast<size_t>(gpus));
    std::iota(all.begin(), all.end(), 0);
    Communicator control(transport, all, 0);
    NcclWorld world_of_gpus(control, backend, {backend.stream(Lane::network), device_identity(transport.rank()), 60});
    std::vector<int> parity;
    for (const int rank : all)
      if (rank % 2 == transport.rank() % 2) parity.push_back(rank);
    std::vector<std::unique_ptr<Communicator>> families;
    families.push_back(std::make_unique<Communicator>(transport, all, 1));
    families.push_back(std::make_unique<Communicator>(transport, parity, 2));
    for (const auto& group : world_of_gpus.groups(families)) check_group(*group, backend);
  });
}

}  // namespace
}  // namespace moesaic::executor
