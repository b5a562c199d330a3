#pragma once
// Looks for gradients that AdamW cannot take, on a stream, in one launch over many of them. It reads each once.

#include <cstdint>
#include <span>

#include "core/schema/units.h"
#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

struct Gradient {
  const void* data;  // on the device
  int64_t count;     // of elements, below 2^40
  DType dtype;       // f32 or bf16
};

/// *found (on the device) = array * 2^40 + element, of the first element that has no finite square: NaN, infinities and
/// magnitudes from 2^64 on, which would leave the second moment infinite for ever; -1: none.
void find_non_finite(std::span<const Gradient> gradients, int64_t* found, Stream stream);

constexpr int64_t array_of(int64_t found) { return found >> 40; }
constexpr int64_t element_of(int64_t found) { return found & ((int64_t{1} << 40) - 1); }

}  // namespace moesaic::executor::cuda
