#include "executor/cuda/compute_capability.h"

#include "executor/cuda/cuda_check.h"

namespace moesaic::executor::cuda {

ComputeCapability compute_capability(int device) {
  ComputeCapability capability;
  CUDA_CHECK(cudaDeviceGetAttribute(&capability.major, cudaDevAttrComputeCapabilityMajor, device));
  CUDA_CHECK(cudaDeviceGetAttribute(&capability.minor, cudaDevAttrComputeCapabilityMinor, device));
  return capability;
}

}  // namespace moesaic::executor::cuda
