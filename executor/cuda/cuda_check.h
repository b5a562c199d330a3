#pragma once
// Turns a failed CUDA or cuBLASLt call into a DeviceError that names the call and its place. It does not recover.

#include <cublasLt.h>
#include <cuda_runtime_api.h>

namespace moesaic::executor::cuda {

/// Both throw DeviceError "cuda: <reason> (<file>:<line>: <expression>)"; the first clears the thread's last error.
[[noreturn]] void throw_cuda_error(cudaError_t error, const char* file, int line, const char* expression);
[[noreturn]] void throw_cublas_error(cublasStatus_t status, const char* file, int line, const char* expression);

}  // namespace moesaic::executor::cuda

#define CUDA_CHECK(call)                                                                        \
  do {                                                                                          \
    const cudaError_t cuda_check_error = (call);                                                \
    if (cuda_check_error != cudaSuccess)                                                        \
      ::moesaic::executor::cuda::throw_cuda_error(cuda_check_error, __FILE__, __LINE__, #call); \
  } while (false)

#define CUBLAS_CHECK(call)                                                                           \
  do {                                                                                               \
    const cublasStatus_t cublas_check_status = (call);                                               \
    if (cublas_check_status != CUBLAS_STATUS_SUCCESS)                                                \
      ::moesaic::executor::cuda::throw_cublas_error(cublas_check_status, __FILE__, __LINE__, #call); \
  } while (false)
