#include "executor/reference/rms_norm.h"

#include <algorithm>
#include <cmath>

namespace moesaic::executor::reference {
namespace {

double inverse_rms(const double* x, std::int64_t h, double epsilon) {
  double squares = 0.0;
  for (std::int64_t j = 0; j < h; ++j) squares += x[j] * x[j] / static_cast<double>(h);
  return 1.0 / std::sqrt(squares + epsilon);
}

void row_backward(const double* dy, const double* x, double r, const double* gain, double* dx, double* dgain,
                  std::int64_t h) {
  double mean = 0.0;
  for (std::int64_t j = 0; j < h; ++j) mean += dy[j] * gain[j] * x[j] * r / static_cast<double>(h);
  for (std::int64_t j = 0; j < h; ++j) {
    dgain[j] += dy[j] * x[j] * r;
    dx[j] = r * (dy[j] * gain[j] - x[j] * r * mean);
  }
}

/// call(first column, width, where the gain begins, index of the statistic)
template <typename Call>
void for_each_norm(const HeadNormShape& s, const Call& call) {
  const std::int64_t d = s.head_dim, queries = s.heads * d;
  if (s.whole) {
    call(0, queries, 0, 0);
    call(queries, s.kv_heads * d, queries, 1);
    return;
  }
  for (std::int64_t head = 0; head < s.heads; ++head) call(head * d, d, 0, head);
  for (std::int64_t head = 0; head < s.kv_heads; ++head) call(queries + head * d, d, d, s.heads + head);
}

std::int64_t columns(const HeadNormShape& s) { return (s.heads + 2 * s.kv_heads) * s.head_dim; }
std::int64_t statistics_of(const HeadNormShape& s) { return s.whole ? 2 : s.heads + s.kv_heads; }

}  // namespace

void rms_norm_forward(const double* x, const double* gain, double* y, double* stats, std::int64_t m, std::int64_t h,
                      double epsilon) {
  for (std::int64_t i = 0; i < m; ++i) {
    stats[2 * i] = 0.0;
    stats[2 * i + 1] = inverse_rms(x + i * h, h, epsilon);
    for (std::int64_t j = 0; j < h; ++j) y[i * h + j] = x[i * h + j] * stats[2 * i + 1] * gain[j];
  }
}

void rms_norm_backward(const double* dy, const double* x, const double* stats, const double* gain, double* dx,
                       double* dgain, std::int64_t m, std::int64_t h) {
  for (std::int64_t i = 0; i < m; ++i)
    row_backward(dy + i * h, x + i * h, stats[2 * i + 1], gain, dx + i * h, dgain, h);
}

void head_norm_forward(const double* qkv, const double* gain, double* y, double* statistics, const HeadNormShape& s,
                       double epsilon) {
  std::copy_n(qkv, s.m * columns(s), y);
  for (std::int64_t i = 0; i < s.m; ++i)
    for_each_norm(s, [&](std::int64_t begin, std::int64_t width, std::int64_t gains, std::int64_t index) {
      const double* x = qkv + i * columns(s) + begin;
      const double r = statistics[i * statistics_of(s) + index] = inverse_rms(x, width, epsilon);
      for (std::int64_t j = 0; j < width; ++j) y[i * columns(s) + begin + j] = x[j] * r * gain[gains + j];
    });
}

void head_norm_backward(const double* dy, const double* qkv, const double* statistics, const double* gain, double* dqkv,
                        double* dgain, const HeadNormShape& s) {
  std::copy_n(dy, s.m * columns(s), dqkv);
  for (std::int64_t i = 0; i < s.m; ++i)
    for_each_norm(s, [&](std::int64_t begin, std::int64_t width, std::int64_t gains, std::int64_t index) {
      const std::int64_t at = i * columns(s) + begin;
      row_backward(dy + at, qkv + at, statistics[i * statistics_of(s) + index], gain + gains, dqkv + at, dgain + gains,
                   width);
    });
}

}  // namespace moesaic::executor::reference
