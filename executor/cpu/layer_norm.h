#pragma once
// Layer normalisation over the last dimension with gain and bias, and its gradient.
// It keeps no state: the statistics that the backward pass needs are an output of the forward pass.

#include <cstdint>

namespace moesaic::executor::cpu {

constexpr float kLayerNormEpsilon = 1e-5f;

// y = (x - mean) * inverse_std * gain + bias; x, y [m, h]; gain_bias [2, h]; stats [m, 2] = mean, 1 / sqrt(variance +
// epsilon)
void layer_norm_forward(const float* x, const float* gain_bias, float* y, float* stats, std::int64_t m, std::int64_t h,
                        float epsilon = kLayerNormEpsilon);

// dx [m, h] is overwritten and may be dy; dgain_bias [2, h] is added to, rows in order.
void layer_norm_backward(const float* dy, const float* x, const float* stats, const float* gain_bias, float* dx,
                         float* dgain_bias, std::int64_t m, std::int64_t h);

}  // namespace moesaic::executor::cpu
