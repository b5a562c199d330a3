#pragma once
// RMS normalisation (arXiv 1910.07467) over the last dimension with a gain, and its gradient: of whole rows, and of the
// single row that other norms are made of. It keeps no state: what the backward pass needs is an output of the forward
// pass.

#include <cstdint>

namespace moesaic::executor::cpu {

// y [m, h] = x * r * gain with r = 1 / sqrt(mean(x^2) + epsilon); gain [h]; stats [m, 2] = 0 (a mean that is not
// subtracted), r
void rms_norm_forward(const float* x, const float* gain, float* y, float* stats, std::int64_t m, std::int64_t h,
                      float epsilon);

// dx [m, h] is overwritten and may be dy; dgain [h] is added to, rows in order.
void rms_norm_backward(const float* dy, const float* x, const float* stats, const float* gain, float* dx, float* dgain,
                       std::int64_t m, std::int64_t h);

// Of one row of h elements.
float sum_of_squares(const float* x, std::int64_t h);
float sum_of_products(const float* dy, const float* gain, const float* x, std::int64_t h);
float inverse_rms(float mean_square, float epsilon);
// y = x * r * gain
void scale_row(const float* x, float r, const float* gain, float* y, std::int64_t h);
// With n = x r and mean = mean(dy gain n): dx = r (dy gain - n mean); dgain += dy n
void scale_row_backward(const float* dy, const float* x, float r, float mean, const float* gain, float* dx,
                        float* dgain, std::int64_t h);

}  // namespace moesaic::executor::cpu
