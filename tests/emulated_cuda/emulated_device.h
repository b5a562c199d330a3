#pragma once
// What a test may set on the emulated device; the CUDA API knows nothing of it. Every function may be called by any
// thread at any time.

#include <cstddef>
#include <cstdint>
#include <string>

namespace emulated_cuda {

/// Device memory that cudaMalloc() gives out in sum, 4 GiB at most and at first.
void set_memory_limit(std::size_t bytes);

/// Chooses among the orders that streams, blocks and threads allow. 0: the oldest stream first, everything upwards. At
/// first it is the number in the environment variable EMULATED_CUDA_SEED, 1 without one.
void set_order_seed(std::uint64_t seed);

/// As after the start of the process, but for memory in use, streams and events: drops queued work and errors.
void reset();

/// What went wrong on the device since the last reset, for people; empty if nothing did.
std::string diagnosis();

/// Kernels that ran since the process began.
std::uint64_t kernels_run();

}  // namespace emulated_cuda
