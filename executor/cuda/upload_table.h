#pragma once
// A small table from the host to the device within the parameters of kernels: a copy from memory that is not
// page-locked may wait for the stream, and cannot be recorded in a graph. It is not for large arrays.

#include <cstdint>
#include <span>

#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

/// `table` stands on the host and is read before the call returns.
void upload_table(std::span<const int32_t> table, int32_t* to, Stream stream);

}  // namespace moesaic::executor::cuda
