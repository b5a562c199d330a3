#pragma once
// A name for a GPU that no other GPU of any machine has.

#include <string>

namespace moesaic::executor {

/// "GPU 5f0c... at 0000:3b:00.0": the UUID tells GPUs apart, the PCI bus id is for the reader. `device`: CUDA's number
/// in this process. Throws DeviceError.
std::string device_identity(int device);

}  // namespace moesaic::executor
