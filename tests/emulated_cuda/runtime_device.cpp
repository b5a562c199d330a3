// Device and launch functions of the runtime API.

#include <cstring>

#include "tests/emulated_cuda/block.h"
#include "tests/emulated_cuda/device.h"
#include "tests/emulated_cuda/launch.h"

namespace emulated_cuda {
namespace {

constexpr std::size_t kMaxArgumentBytes = 32764;  // CUDA C++ Programming Guide, since sm_70 and CUDA 12.1

bool launchable(const cudaLaunchConfig_t& config) {
  const dim3 grid = config.gridDim, block = config.blockDim;
  const bool grid_fits =
      grid.x > 0 && grid.x <= 0x7FFFFFFFu && grid.y > 0 && grid.y <= 65535 && grid.z > 0 && grid.z <= 65535;
  const bool block_fits = block.x > 0 && block.y > 0 && block.z > 0 && block.x <= 1024 && block.y <= 1024 &&
                          block.z <= 64 && uint64_t{block.x} * block.y * block.z <= 1024;
  return grid_fits && block_fits && config.dynamicSmemBytes == 0;
}

}  // namespace

bool device_reaches(const void* data) {
  const std::lock_guard lock(device().mutex);
  return data == nullptr || device().arena.contains(data) || device().locks(data, 0);
}

cudaError_t launch(const cudaLaunchConfig_t& config, std::size_t argument_bytes, bool arguments_reachable,
                   std::function<void()> thread) {
  const std::lock_guard lock(device().mutex);
  if (device().broken != cudaSuccess) return returned(device().broken);
  if (!launchable(config)) return returned(cudaErrorInvalidConfiguration);
  if (argument_bytes > kMaxArgumentBytes) return returned(cudaErrorInvalidValue);
  Stream* stream = device().stream(config.stream);
  if (stream == nullptr) return returned(cudaErrorInvalidResourceHandle);
  if (!arguments_reachable)
    return returned(
        device().break_with(cudaErrorIllegalAddress, "a kernel was given a pointer to pageable host memory"));
  device().streams.append(stream, [config, thread = std::move(thread)] {
    ++device().kernels_run;
    return run_grid(config.gridDim, config.blockDim, device().streams.next_random(), thread);
  });
  return cudaSuccess;
}

}  // namespace emulated_cuda

using emulated_cuda::device;
using emulated_cuda::returned;

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int ordinal) { return returned(ordinal == 0 ? cudaSuccess : cudaErrorInvalidDevice); }

cudaError_t cudaGetDevice(int* ordinal) {
  *ordinal = 0;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int ordinal) {
  if (ordinal != 0) return returned(cudaErrorInvalidDevice);
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      return *value = 1024, cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      return *value = 48 << 10, cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      return *value = 1, cudaSuccess;
    case cudaDevAttrL2CacheSize:
      return *value = 64 << 10, cudaSuccess;  // small, since measurements exceed it many times
    case cudaDevAttrComputeCapabilityMajor:
    case cudaDevAttrComputeCapabilityMinor:
      return *value = 0, cudaSuccess;  // no real device: whoever asks takes the portable path
  }
  return returned(cudaErrorInvalidValue);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int ordinal) {
  if (ordinal != 0) return returned(cudaErrorInvalidDevice);
  *properties = {};
  std::strcpy(properties->name, "emulated");
  properties->multiProcessorCount = 1;
  const std::lock_guard lock(device().mutex);
  properties->totalGlobalMem = device().arena.limit();
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) { return cudaRuntimeGetVersion(version); }
