#include "tests/emulated_cuda/device.h"

#include <cstdio>
#include <cstdlib>
#include <optional>

#include "tests/emulated_cuda/emulated_device.h"

namespace emulated_cuda {
namespace {

thread_local cudaError_t last_error = cudaSuccess;

uint64_t first_seed() {
  const char* seed = std::getenv("EMULATED_CUDA_SEED");
  return seed == nullptr ? 1 : std::strtoull(seed, nullptr, 10);
}

}  // namespace

Device& device() {
  static Device& only = [&]() -> Device& {
    static auto* made = new Device;  // never destroyed: objects with static lifetime may still free memory
    made->streams.set_seed(first_seed());
    return *made;
  }();
  return only;
}

Stream* Device::stream(cudaStream_t handle) {
  if (handle == nullptr) return streams.default_stream();
  auto* found = reinterpret_cast<Stream*>(handle);
  return streams.knows(found) ? found : nullptr;
}

bool Device::locks(const void* data, std::size_t bytes) const {
  const auto* at = static_cast<const char*>(data);
  const auto next = page_locked.upper_bound(at);
  if (next == page_locked.begin()) return false;
  const auto& [start, size] = *std::prev(next);
  return static_cast<std::size_t>(at - start) + bytes <= size;
}

cudaError_t Device::run_until(const std::function<bool()>& done) {
  if (broken != cudaSuccess || done()) return broken;
  std::optional<Arena::Access> access;
  const std::string failure = streams.run_until(done, [&] {
    if (!access) access.emplace(arena);
  });
  return failure.empty() ? cudaSuccess : break_with(cudaErrorLaunchFailure, failure);
}

cudaError_t Device::run_all() {
  return run_until([this] { return streams.all_idle(); });
}

cudaError_t Device::break_with(cudaError_t error, const std::string& why) {
  std::fprintf(stderr, "emulated CUDA device: %s\n", why.c_str());
  broken = error;
  diagnosis = why;
  streams.drop_all();
  return error;
}

cudaError_t returned(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

void set_memory_limit(std::size_t bytes) {
  const std::lock_guard lock(device().mutex);
  device().arena.set_limit(bytes);
}

void set_order_seed(uint64_t seed) {
  const std::lock_guard lock(device().mutex);
  device().streams.set_seed(seed);
}

void reset() {
  const std::lock_guard lock(device().mutex);
  device().streams.drop_all();
  device().streams.set_seed(first_seed());
  device().arena.set_limit(Arena::kCapacity);
  device().broken = cudaSuccess;
  device().diagnosis.clear();
  last_error = cudaSuccess;
}

std::string diagnosis() {
  const std::lock_guard lock(device().mutex);
  return device().diagnosis;
}

uint64_t kernels_run() {
  const std::lock_guard lock(device().mutex);
  return device().kernels_run;
}

}  // namespace emulated_cuda

using emulated_cuda::device;

cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  emulated_cuda::last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() {
  const std::lock_guard lock(device().mutex);
  return device().broken != cudaSuccess ? device().broken : emulated_cuda::last_error;
}

cudaError_t cudaDeviceSynchronize() {
  const std::lock_guard lock(device().mutex);
  return emulated_cuda::returned(device().run_all());
}
