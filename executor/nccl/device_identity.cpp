#include "executor/nccl/device_identity.h"

#include <cuda_runtime_api.h>

#include <array>
#include <cstdio>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

void require(cudaError_t result, int device) {
  if (result != cudaSuccess)
    throw DeviceError("nccl: GPU " + std::to_string(device) + " cannot be identified: " + cudaGetErrorString(result));
}

}  // namespace

std::string device_identity(int device) {
  cudaDeviceProp properties{};
  require(cudaGetDeviceProperties(&properties, device), device);
  std::array<char, 32> bus_id{};
  require(cudaDeviceGetPCIBusId(bus_id.data(), bus_id.size(), device), device);
  std::string uuid;
  for (const char byte : properties.uuid.bytes) {
    std::array<char, 3> hex{};
    std::snprintf(hex.data(), hex.size(), "%02x", static_cast<unsigned char>(byte));
    uuid += hex.data();
  }
  return "GPU " + uuid + " at " + bus_id.data();
}

}  // namespace moesaic::executor
