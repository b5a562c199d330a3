#pragma once
// Layer normalisation over the last dimension with gain and bias, and its gradient, on a stream.
// It keeps no state: the statistics that the backward pass needs are an output of the forward pass.

#include <cstdint>

#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

constexpr float kLayerNormEpsilon = 1e-5f;

// y = (x - mean) * inverse_std * gain + bias; x, y [m, h]; gain_bias [2, h]; stats [m, 2] = mean, 1 / sqrt(variance +
// eps)
void layer_norm_forward(const float* x, const float* gain_bias, float* y, float* stats, int64_t m, int64_t h,
                        Stream stream);

// dx [m, h] is overwritten and may be dy; dgain_bias [2, h] is added to, in a fixed order.
void layer_norm_backward(const float* dy, const float* x, const float* stats, const float* gain_bias, float* dx,
                         float* dgain_bias, int64_t m, int64_t h, Stream stream);

}  // namespace moesaic::executor::cuda
