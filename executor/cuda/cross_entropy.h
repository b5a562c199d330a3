#pragma once
// Cross entropy of logits against target tokens and its gradient, on a stream.
// It does not average: the caller's scale says what one token's loss counts. Element: float, BFloat16; sums are f32,
// the loss double.

#include <cstdint>

#include "executor/cuda/stream.h"
#include "executor/cuda/stream_scratch.h"

namespace moesaic::executor::cuda {

// loss [1] (double, on the device) += scale * sum over rows of -log softmax(logits)[target]; dlogits [m, v] = scale *
// (softmax(logits) - onehot(target)); logits [m, v], targets [m]; dlogits may be logits. Rows are summed in a fixed
// order.
template <typename Element>
void cross_entropy(const Element* logits, const int32_t* targets, Element* dlogits, double* loss, int64_t m, int64_t v,
                   double scale, StreamScratch& scratch, Stream stream);

}  // namespace moesaic::executor::cuda
