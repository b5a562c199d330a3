#pragma once
// Layer normalisation over the last dimension with gain and bias, RMS normalisation with a gain, and their gradients,
// on a stream. It keeps no state: the statistics that the backward pass needs are an output of the forward pass.
// Element: float, BFloat16; statistics and all sums are f32.

#include <cstdint>

#include "executor/cuda/stream.h"
#include "executor/cuda/stream_scratch.h"

namespace moesaic::executor::cuda {

struct NormRule {
  bool rms = false;  // no mean is subtracted, there is no bias, and 1 / sqrt(mean(x^2) + epsilon) is the inverse_std
  float epsilon = 1e-5f;
};

// y = (x - mean) * inverse_std * gain + bias; x, y [m, h]; gain_bias [2, h], rms: [h]; stats [m, 2] = mean, rms: 0;
// inverse_std = 1 / sqrt(variance + epsilon)
template <typename Element>
void layer_norm_forward(const Element* x, const Element* gain_bias, Element* y, float* stats, int64_t m, int64_t h,
                        Stream stream, NormRule rule = {});

// dx [m, h] is overwritten and may be dy; dgain_bias, as gain_bias, is added to, in a fixed order.
template <typename Element>
void layer_norm_backward(const Element* dy, const Element* x, const float* stats, const Element* gain_bias, Element* dx,
                         Element* dgain_bias, int64_t m, int64_t h, StreamScratch& scratch, Stream stream,
                         bool rms = false);

}  // namespace moesaic::executor::cuda
