#pragma once
// Appends a kernel to a stream; a refused launch becomes a DeviceError. Kernels are never launched in another way, so
// that they also compile as plain C++, where tests run them on an emulated device.

#include <cuda_runtime.h>

#include "executor/cuda/cuda_check.h"
#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

template <typename... Parameters, typename... Arguments>
void launch_kernel(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, Stream stream, Arguments... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = blocks;
  config.blockDim = threads;
  config.stream = stream;
  CUDA_CHECK(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...));
}

}  // namespace moesaic::executor::cuda
