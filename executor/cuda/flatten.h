#pragma once
// What DeepSpeed's FP16_Optimizer does with a gradient before AdamW, a pass each, on a stream. It is not how one would
// do it: AdamW reads gradients as they are.

#include <cstdint>

#include "executor/cuda/stream.h"
#include "executor/cuda/stream_scratch.h"

namespace moesaic::executor::cuda {

// widened [count] = g, statistics[0] += the sum of its magnitudes; widened = g again; copy [count] = widened,
// statistics[1] += its sum of squares; copy *= 1 / loss_scale. Element: float, BFloat16.
template <typename Element>
void flatten_gradient(const Element* g, float* widened, float* copy, float* statistics, int64_t count, float loss_scale,
                      StreamScratch& scratch, Stream stream);

}  // namespace moesaic::executor::cuda
