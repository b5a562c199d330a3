#include "executor/reference/rms_norm.h"

#include <algorithm>
#include <cmath>

namespace moesaic::executor::reference {
namespace {

double sum_of_squares(const double* x, std::int64_t h) {
  double sum = 0.0;
  for (std::int64_t j = 0; j < h; ++j) sum += x[j] * x[j];
  return sum;
}

double sum_of_products(const double* dy, const double* gain, const double* x, std::int64_t h) {
  double sum = 0.0;
  for (std::int64_t j = 0; j < h; ++j) sum += dy[j] * gain[j] * x[j];
  return sum;
}

double inverse_rms(double mean_square, double epsilon) { return 1.0 / std::sqrt(mean_square + epsilon); }

// mean: of dy gain x r
void row_backward(const double* dy, const double* x, double r, double mean, const double* gain, double* dx,
                  double* dgain, std::int64_t h) {
  for (std::int64_t j = 0; j < h; ++j) {
    dgain[j] += dy[j] * x[j] * r;
    dx[j] = r * (dy[j] * gain[j] - x[j] * r * mean);
  }
}

// What is normed together in a row, and where its gain begins.
struct HeadPart {
  std::int64_t begin, width, gain, index;
};

template <typename Call>
void for_each_norm(const HeadNormShape& s, const Call& call) {
  const std::int64_t d = s.head_dim, queries = s.heads * d;
  if (s.whole) {
    call(HeadPart{0, queries, 0, 0});
    call(HeadPart{queries, s.kv_heads * d, queries, 1});
    return;
  }
  for (std::int64_t head = 0; head < s.heads; ++head) call(HeadPart{head * d, d, 0, head});
  for (std::int64_t head = 0; head < s.kv_heads; ++head) call(HeadPart{queries + head * d, d, d, s.heads + head});
}

// `own`: the sum over what this rank has of the row.
double mean_of(double own, const HeadPart& part, std::int64_t row, const HeadNormShape& s,
               const RankSumsOf<double>& of_ranks) {
  if (of_ranks.sums == nullptr) return own / static_cast<double>(part.width);
  double sum = 0.0;
  for (std::int64_t rank = 0; rank < of_ranks.ranks; ++rank) sum += of_ranks.sums[(rank * s.m + row) * 2 + part.index];
  return sum / static_cast<double>(part.width * of_ranks.ranks);
}

}  // namespace

void rms_norm_forward(const double* x, const double* gain, double* y, double* stats, std::int64_t m, std::int64_t h,
                      double epsilon) {
  for (std::int64_t i = 0; i < m; ++i) {
    stats[2 * i] = 0.0;
    stats[2 * i + 1] = inverse_rms(sum_of_squares(x + i * h, h) / static_cast<double>(h), epsilon);
    for (std::int64_t j = 0; j < h; ++j) y[i * h + j] = x[i * h + j] * stats[2 * i + 1] * gain[j];
  }
}

void rms_norm_backward(const double* dy, const double* x, const double* stats, const double* gain, double* dx,
                       double* dgain, std::int64_t m, std::int64_t h) {
  for (std::int64_t i = 0; i < m; ++i) {
    const double r = stats[2 * i + 1], sum = sum_of_products(dy + i * h, gain, x + i * h, h);
    row_backward(dy + i * h, x + i * h, r, sum * r / static_cast<double>(h), gain, dx + i * h, dgain, h);
  }
}

void head_sums(const double* qkv, const double* dy, const double* gain, double* sums, const HeadNormShape& s) {
  for (std::int64_t i = 0; i < s.m; ++i)
    for_each_norm(s, [&](const HeadPart& part) {
      const std::int64_t at = i * s.columns() + part.begin;
      sums[2 * i + part.index] = dy == nullptr ? sum_of_squares(qkv + at, part.width)
                                               : sum_of_products(dy + at, gain + part.gain, qkv + at, part.width);
    });
}

void head_norm_forward(const double* qkv, const double* gain, double* y, double* statistics, const HeadNormShape& s,
                       double epsilon, RankSumsOf<double> of_ranks) {
  std::copy_n(qkv, s.m * s.columns(), y);
  for (std::int64_t i = 0; i < s.m; ++i)
    for_each_norm(s, [&](const HeadPart& part) {
      const std::int64_t at = i * s.columns() + part.begin;
      const double mean = mean_of(sum_of_squares(qkv + at, part.width), part, i, s, of_ranks);
      const double r = statistics[i * s.statistics() + part.index] = inverse_rms(mean, epsilon);
      for (std::int64_t j = 0; j < part.width; ++j) y[at + j] = qkv[at + j] * r * gain[part.gain + j];
    });
}

void head_norm_backward(const double* dy, const double* qkv, const double* statistics, const double* gain, double* dqkv,
                        double* dgain, const HeadNormShape& s, RankSumsOf<double> of_ranks) {
  std::copy_n(dy, s.m * s.columns(), dqkv);
  for (std::int64_t i = 0; i < s.m; ++i)
    for_each_norm(s, [&](const HeadPart& part) {
      const std::int64_t at = i * s.columns() + part.begin;
      const double r = statistics[i * s.statistics() + part.index],
                   own = sum_of_products(dy + at, gain + part.gain, qkv + at, part.width);
      row_backward(dy + at, qkv + at, r, mean_of(own, part, i, s, of_ranks) * r, gain + part.gain, dqkv + at,
                   dgain + part.gain, part.width);
    });
}

}  // namespace moesaic::executor::reference
