#pragma once
// Layer normalisation in double, and its gradient; shapes as in executor/cpu/layer_norm.h.
// It is not fast and not for use outside tests.

#include <cstdint>

namespace moesaic::executor::reference {

constexpr double kLayerNormEpsilon = 1e-5;

void layer_norm_forward(const double* x, const double* gain_bias, double* y, double* stats, std::int64_t m,
                        std::int64_t h, double epsilon = kLayerNormEpsilon);
void layer_norm_backward(const double* dy, const double* x, const double* stats, const double* gain_bias, double* dx,
                         double* dgain_bias, std::int64_t m, std::int64_t h);

}  // namespace moesaic::executor::reference
