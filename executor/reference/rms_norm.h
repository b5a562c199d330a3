#pragma once
// RMS normalisation with a gain, of rows and of the queries and keys in packed rows of q, k and v, in double.

#include <cstdint>

namespace moesaic::executor::reference {

// stats [m, 2] = 0, 1 / sqrt(mean(x^2) + epsilon)
void rms_norm_forward(const double* x, const double* gain, double* y, double* stats, std::int64_t m, std::int64_t h,
                      double epsilon);
void rms_norm_backward(const double* dy, const double* x, const double* stats, const double* gain, double* dx,
                       double* dgain, std::int64_t m, std::int64_t h);

// As in executor/cpu/head_norm.h.
struct HeadNormShape {
  std::int64_t m = 0, heads = 0, kv_heads = 0, head_dim = 0;
  bool whole = false;
};
struct RankSums {
  const double* sums = nullptr;
  std::int64_t ranks = 1;
};

void head_sums(const double* qkv, const double* dy, const double* gain, double* sums, const HeadNormShape& shape);
void head_norm_forward(const double* qkv, const double* gain, double* y, double* statistics, const HeadNormShape& shape,
                       double epsilon, RankSums of_ranks = {});
void head_norm_backward(const double* dy, const double* qkv, const double* statistics, const double* gain, double* dqkv,
                        double* dgain, const HeadNormShape& shape, RankSums of_ranks = {});

}  // namespace moesaic::executor::reference
