#pragma once
// RMS normalisation with a gain, of rows and of the queries and keys in packed rows of q, k and v, in double.

#include <cstdint>

#include "executor/launch/attention_shapes.h"

namespace moesaic::executor::reference {

// stats [m, 2] = 0, 1 / sqrt(mean(x^2) + epsilon)
void rms_norm_forward(const double* x, const double* gain, double* y, double* stats, std::int64_t m, std::int64_t h,
                      double epsilon);
void rms_norm_backward(const double* dy, const double* x, const double* stats, const double* gain, double* dx,
                       double* dgain, std::int64_t m, std::int64_t h);

// As in executor/cpu/head_norm.h.
void head_sums(const double* qkv, const double* dy, const double* gain, double* sums, const HeadNormShape& shape);
void head_norm_forward(const double* qkv, const double* gain, double* y, double* statistics, const HeadNormShape& shape,
                       double epsilon, RankSumsOf<double> of_ranks = {});
void head_norm_backward(const double* dy, const double* qkv, const double* statistics, const double* gain, double* dqkv,
                        double* dgain, const HeadNormShape& shape, RankSumsOf<double> of_ranks = {});

}  // namespace moesaic::executor::reference
