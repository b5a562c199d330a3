#pragma once
// Device code and kernel launches of the emulated device: what nvcc offers a .cu file, for a plain C++ compiler.

#include <functional>
#include <tuple>
#include <type_traits>

#include "cuda_runtime_api.h"
#include "device_functions.h"
#include "tests/emulated_cuda/launch.h"

/// Takes a copy of the arguments and appends the kernel to the stream.
template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  static_assert((std::is_trivially_copyable_v<std::remove_cvref_t<Parameters>> && ...), "arguments travel as bytes");
  std::tuple<std::remove_const_t<Parameters>...> values(static_cast<Parameters>(arguments)...);
  constexpr std::size_t bytes = (sizeof(Parameters) + ... + 0);
  const bool reachable =
      std::apply([](const auto&... value) { return (emulated_cuda::reachable(value) && ...); }, values);
  return emulated_cuda::launch(*config, bytes, reachable, [kernel, values] { std::apply(kernel, values); });
}
