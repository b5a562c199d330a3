#include "executor/cpu/head_norm.h"

#include <algorithm>

#include "executor/cpu/rms_norm.h"

namespace moesaic::executor::cpu {
namespace {

// What is normed together in a row.
struct HeadPart {
  std::int64_t begin;  // column
  std::int64_t width;
  std::int64_t gain;   // where its gain begins
  std::int64_t index;  // of its statistic; where all heads are one part: 0 for queries, 1 for keys
};

template <typename Call>
void for_each_part(const HeadNormShape& s, const Call& call) {
  const std::int64_t d = s.head_dim;
  if (s.whole) {
    call(HeadPart{0, s.heads * d, 0, 0});
    call(HeadPart{s.heads * d, s.kv_heads * d, s.heads * d, 1});
    return;
  }
  for (std::int64_t head = 0; head < s.heads + s.kv_heads; ++head)
    call(HeadPart{head * d, d, head < s.heads ? 0 : d, head});
}

// A row's mean over all ranks; `own`: the sum over what this rank has of it.
float mean_of(float own, const HeadPart& part, std::int64_t row, const HeadNormShape& s, const RankSums& of_ranks) {
  if (of_ranks.sums == nullptr) return own / static_cast<float>(part.width);
  float sum = 0.0f;
  for (std::int64_t rank = 0; rank < of_ranks.ranks; ++rank) sum += of_ranks.sums[(rank * s.m + row) * 2 + part.index];
  return sum / static_cast<float>(part.width * of_ranks.ranks);
}

}  // namespace

void head_sums(const float* qkv, const float* dy, const float* gain, float* sums, const HeadNormShape& s) {
  for (std::int64_t row = 0; row < s.m; ++row)
    for_each_part(s, [&](const HeadPart& part) {
      const std::int64_t at = row * s.columns() + part.begin;
      sums[row * 2 + part.index] = dy == nullptr ? sum_of_squares(qkv + at, part.width)
                                                 : sum_of_products(dy + at, gain + part.gain, qkv + at, part.width);
    });
}

void head_norm_forward(const float* qkv, const float* gain, float* y, float* statistics, const HeadNormShape& s,
                       float epsilon, RankSums of_ranks) {
  const std::int64_t values = (s.heads + s.kv_heads) * s.head_dim;
  for (std::int64_t row = 0; row < s.m; ++row) {
    const float* in = qkv + row * s.columns();
    float* out = y + row * s.columns();
    for_each_part(s, [&](const HeadPart& part) {
      const float own = of_ranks.sums == nullptr ? sum_of_squares(in + part.begin, part.width) : 0.0f;
      const float r = inverse_rms(mean_of(own, part, row, s, of_ranks), epsilon);
      statistics[row * s.statistics() + part.index] = r;
      scale_row(in + part.begin, r, gain + part.gain, out + part.begin, part.width);
    });
    std::copy(in + values, in + s.columns(), out + values);
  }
}

void head_norm_backward(const float* dy, const float* qkv, const float* statistics, const float* gain, float* dqkv,
                        float* dgain, const HeadNormShape& s, RankSums of_ranks) {
  const std::int64_t values = (s.heads + s.kv_heads) * s.head_dim;
  for (std::int64_t row = 0; row < s.m; ++row) {
    const float *in = qkv + row * s.columns(), *d = dy + row * s.columns();
    float* out = dqkv + row * s.columns();
    for_each_part(s, [&](const HeadPart& part) {
      const float r = statistics[row * s.statistics() + part.index];
      const float own = of_ranks.sums == nullptr
                            ? sum_of_products(d + part.begin, gain + part.gain, in + part.begin, part.width)
                            : 0.0f;
      const float mean = mean_of(own, part, row, s, of_ranks) * r;
      scale_row_backward(d + part.begin, in + part.begin, r, mean, gain + part.gain, out + part.begin,
                         dgain + part.gain, part.width);
    });
    std::copy(d + values, d + s.columns(), out + values);
  }
}

}  // namespace moesaic::executor::cpu
