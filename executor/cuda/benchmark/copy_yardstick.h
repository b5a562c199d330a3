#pragma once
// The yardstick of operators that move memory: the faster of the driver's copy on the device and a plain kernel that
// reads and writes 16 bytes at a time.

#include "executor/cuda/benchmark/measure.h"

namespace moesaic::executor::cuda {

/// Reads and writes half of some bytes each, in arrays of its own with random contents.
class CopyYardstick {
 public:
  explicit CopyYardstick(Bytes moved);
  void by_driver(Stream stream);
  void by_kernel(Stream stream);

 private:
  Buffer<BFloat16> from_, to_;
};

}  // namespace moesaic::executor::cuda
