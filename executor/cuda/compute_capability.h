#pragma once
// Which generation of GPU a device is: what decides whether kernels compiled for one run on it.

namespace moesaic::executor::cuda {

struct ComputeCapability {
  int major = 0, minor = 0;
};
/// Of a device that the driver counts, as numbered by it.
ComputeCapability compute_capability(int device);

}  // namespace moesaic::executor::cuda
