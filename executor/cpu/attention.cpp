#include "executor/cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "executor/cpu/lanes.h"
#include "executor/cpu/matmul.h"
#include "executor/cpu/rotary.h"

namespace moesaic::executor::cpu {
namespace {

constexpr std::int64_t kQueryRows = 64;  // rows of scores at a time: small enough to skip most of the masked triangle

using Buffer = std::vector<float>;

void resize(Buffer& buffer, std::int64_t elements) { buffer.resize(static_cast<std::size_t>(elements)); }

// Scores to probabilities for query rows first.. of one head; row r may see keys 0..first + r. Writes the row's log sum
// exp.
MOESAIC_VECTORISED void causal_softmax(float* scores, float* lse, std::int64_t first, std::int64_t rows,
                                       std::int64_t keys, float scale) {
  for (std::int64_t r = 0; r < rows; ++r, scores += keys) {
    float* s = scores;
    const std::int64_t seen = first + r + 1;
    const float max = max_in_lanes(s, seen);
    const float sum = sum_in_lanes(
        seen, [s, max, scale](std::int64_t j) MOESAIC_INLINED { return s[j] = fast_exp((s[j] - max) * scale); });
    const float inverse = 1.0f / sum;
    for (std::int64_t j = 0; j < seen; ++j) s[j] *= inverse;
    for (std::int64_t j = seen; j < keys; ++j) s[j] = 0.0f;
    lse[r] = max * scale + std::log(sum);
  }
}

// Scores to probabilities by the saved log sum exp, and dp to the gradient of the scores before scaling, both in place.
MOESAIC_VECTORISED void causal_softmax_backward(float* scores, float* dp, const float* lse, const float* dot,
                                                std::int64_t first, std::int64_t rows, std::int64_t keys, float scale) {
  for (std::int64_t r = 0; r < rows; ++r, scores += keys, dp += keys) {
    const std::int64_t seen = first + r + 1;
    for (std::int64_t j = 0; j < seen; ++j) scores[j] = fast_exp(scores[j] * scale - lse[r]);
    for (std::int64_t j = 0; j < seen; ++j) dp[j] = scores[j] * (dp[j] - dot[r]) * scale;
    for (std::int64_t j = seen; j < keys; ++j) scores[j] = dp[j] = 0.0f;
  }
}

// dot [rows] = dout . out, which is the sum over keys of p dp
MOESAIC_VECTORISED void row_dots(const float* dout, const float* out, float* dot, std::int64_t rows,
                                 std::int64_t head_dim, std::int64_t stride) {
  for (std::int64_t r = 0; r < rows; ++r, dout += stride, out += stride) {
    const float *a = dout, *b = out;
    dot[r] = sum_in_lanes(head_dim, [a, b](std::int64_t j) MOESAIC_INLINED { return a[j] * b[j]; });
  }
}

struct HeadScratch {
  Buffer q, k, scores, dscores, dots, dq, dk, dv;
};

HeadScratch& scratch_of(const AttentionShape& shape) {
  thread_local HeadScratch scratch;
  const std::int64_t head = shape.seq * shape.head_dim;
  for (Buffer* buffer : {&scratch.q, &scratch.k, &scratch.dq, &scratch.dk, &scratch.dv}) resize(*buffer, head);
  resize(scratch.scores, kQueryRows * shape.seq);
  resize(scratch.dscores, kQueryRows * shape.seq);
  resize(scratch.dots, shape.seq);
  return scratch;
}

// The block of query rows that starts at `first`: it sees the keys before its own end.
struct QueryBlock {
  std::int64_t first, rows, keys;
};

QueryBlock query_block(std::int64_t first, std::int64_t seq) {
  const std::int64_t rows = std::min(kQueryRows, seq - first);
  return {first, rows, first + rows};
}

float score_scale(const AttentionShape& shape) { return 1.0f / std::sqrt(static_cast<float>(shape.head_dim)); }

// One query head over dense rotated q, k and strided v, out.
void head_forward(const HeadScratch& turned, const float* v, float* out, float* lse, float* scores,
                  const AttentionShape& shape, Precision precision) {
  const std::int64_t d = shape.head_dim;
  for (std::int64_t first = 0; first < shape.seq; first += kQueryRows) {
    const auto [begin, rows, keys] = query_block(first, shape.seq);
    matmul(turned.q.data() + begin * d, turned.k.data(), scores, rows, keys, d, Transpose::no, Transpose::yes, false,
           precision);
    causal_softmax(scores, lse + begin, begin, rows, keys, score_scale(shape));
    matmul(scores, v, out + begin * shape.out_columns(),
           {rows, d, keys, Transpose::no, Transpose::no, false, 0, shape.qkv_columns(), shape.out_columns()},
           precision);
  }
}

// dq of one query head, and its part of dk and dv, which several query heads share.
void head_backward(HeadScratch& s, const float* v, const float* dout, const float* lse, const AttentionShape& shape,
                   Precision precision) {
  const std::int64_t d = shape.head_dim, columns = shape.out_columns();
  constexpr auto kNo = Transpose::no, kYes = Transpose::yes;
  for (std::int64_t first = 0; first < shape.seq; first += kQueryRows) {
    const auto [begin, rows, keys] = query_block(first, shape.seq);
    const float* q = s.q.data() + begin * d;
    const float* dout_rows = dout + begin * columns;
    float *p = s.scores.data(), *ds = s.dscores.data();
    matmul(q, s.k.data(), p, rows, keys, d, kNo, kYes, false, precision);
    matmul(dout_rows, v, ds, {rows, keys, d, kNo, kYes, false, columns, shape.qkv_columns(), 0}, precision);
    causal_softmax_backward(p, ds, lse + begin, s.dots.data() + begin, begin, rows, keys, score_scale(shape));
    matmul(p, dout_rows, s.dv.data(), {keys, d, rows, kYes, kNo, true, 0, columns, 0}, precision);
    matmul(ds, q, s.dk.data(), keys, d, rows, kYes, kNo, true, precision);
    matmul(ds, s.k.data(), s.dq.data() + begin * d, rows, d, keys, kNo, kNo, false, precision);
  }
}

}  // namespace

void attention_forward(const float* qkv, float* out, float* saved, const AttentionShape& shape, Precision precision) {
  HeadScratch& s = scratch_of(shape);
  const std::int64_t d = shape.head_dim, columns = shape.qkv_columns(), group = shape.heads / shape.kv_heads;
  for (std::int64_t item = 0; item < shape.batch; ++item) {
    const float* rows = qkv + item * shape.seq * columns;
    float* out_rows = out + item * shape.seq * shape.out_columns();
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      const float* k = rows + (shape.heads + head / group) * d;
      if (head % group == 0) rotary(k, columns, s.k.data(), d, shape.seq, d, shape.rope_theta, Turn::forward);
      rotary(rows + head * d, columns, s.q.data(), d, shape.seq, d, shape.rope_theta, Turn::forward);
      head_forward(s, k + shape.kv_heads * d, out_rows + head * d, saved + (item * shape.heads + head) * shape.seq,
                   s.scores.data(), shape, precision);
    }
  }
}

void attention_backward(const float* dout, const float* qkv, const float* out, const float* saved, float* dqkv,
                        const AttentionShape& shape, Precision precision) {
  HeadScratch& s = scratch_of(shape);
  const std::int64_t d = shape.head_dim, columns = shape.qkv_columns(), group = shape.heads / shape.kv_heads;
  for (std::int64_t item = 0; item < shape.batch; ++item) {
    const float* rows = qkv + item * shape.seq * columns;
    float* drows = dqkv + item * shape.seq * columns;
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      const std::int64_t out_at = item * shape.seq * shape.out_columns() + head * d;
      const std::int64_t k_at = (shape.heads + head / group) * d, v_at = k_at + shape.kv_heads * d;
      if (head % group == 0) {
        rotary(rows + k_at, columns, s.k.data(), d, shape.seq, d, shape.rope_theta, Turn::forward);
        std::fill(s.dk.begin(), s.dk.end(), 0.0f);
        std::fill(s.dv.begin(), s.dv.end(), 0.0f);
      }
      rotary(rows + head * d, columns, s.q.data(), d, shape.seq, d, shape.rope_theta, Turn::forward);
      row_dots(dout + out_at, out + out_at, s.dots.data(), shape.seq, d, shape.out_columns());
      head_backward(s, rows + v_at, dout + out_at, saved + (item * shape.heads + head) * shape.seq, shape, precision);
      rotary(s.dq.data(), d, drows + head * d, columns, shape.seq, d, shape.rope_theta, Turn::back);
      if (head % group == group - 1) {
        rotary(s.dk.data(), d, drows + k_at, columns, shape.seq, d, shape.rope_theta, Turn::back);
        for (std::int64_t p = 0; p < shape.seq; ++p) std::copy_n(s.dv.data() + p * d, d, drows + v_at + p * columns);
      }
    }
  }
}

}  // namespace moesaic::executor::cpu
