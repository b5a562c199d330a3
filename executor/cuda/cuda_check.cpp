#include "executor/cuda/cuda_check.h"

#include <string>

#include "core/schema/error.h"

namespace moesaic::executor::cuda {
namespace {

std::string message(const std::string& reason, const char* file, int line, const char* expression) {
  return "cuda: " + reason + " (" + file + ":" + std::to_string(line) + ": " + expression + ")";
}

}  // namespace

void throw_cuda_error(cudaError_t error, const char* file, int line, const char* expression) {
  (void)cudaGetLastError();  // an error that is reported once must not fail the next launch check too
  throw DeviceError(
      message(std::string(cudaGetErrorName(error)) + ", " + cudaGetErrorString(error), file, line, expression));
}

void throw_cublas_error(cublasStatus_t status, const char* file, int line, const char* expression) {
  throw DeviceError(message(cublasLtGetStatusString(status), file, line, expression));
}

}  // namespace moesaic::executor::cuda
