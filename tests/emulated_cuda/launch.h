#pragma once
// What cudaLaunchKernelEx() hands to the device: a shape and a function to be called once per thread.

#include <cstddef>
#include <functional>
#include <type_traits>

#include "tests/emulated_cuda/include/cuda_runtime_api.h"

namespace emulated_cuda {

/// Whether a kernel may follow this pointer: null, device memory or page-locked host memory.
bool device_reaches(const void* data);

/// The same for an argument of a kernel. Pointers inside structures are not seen.
template <typename T>
bool reachable(const T& argument) {
  if constexpr (std::is_pointer_v<T> && !std::is_function_v<std::remove_pointer_t<T>>)
    return device_reaches(argument);
  else
    return true;
}

/// Appends a grid to the stream. `arguments_reachable` false fails the launch, as the kernel would.
cudaError_t launch(const cudaLaunchConfig_t& config, std::size_t argument_bytes, bool arguments_reachable,
                   std::function<void()> thread);

}  // namespace emulated_cuda
