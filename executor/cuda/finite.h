#pragma once
// Looks for gradients that AdamW cannot take, and sums the squares of the others, on a stream, in one launch over many
// of them. It reads each once.

#include <cstdint>
#include <span>

#include "core/schema/exact_squares.h"
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
/// `sums` (on the device), where given: [2, ExactSquares::kExponents], the low and the high halves of sums of squared
/// significands by exponent bits, as ExactSquares::add() takes them with 0 and 1 words up; of elements with finite
/// squares. Sums of integers: the order in which blocks run changes nothing.
void find_non_finite(std::span<const Gradient> gradients, int64_t* found, uint64_t* sums, Stream stream);

constexpr int64_t array_of(int64_t found) { return found >> 40; }
constexpr int64_t element_of(int64_t found) { return found & ((int64_t{1} << 40) - 1); }

}  // namespace moesaic::executor::cuda
