#include "executor/reference/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace moesaic::executor::reference {
namespace {

using Row = std::vector<double>;

// The pair (i, i + D/2) turned by sign * position * theta^(-2 i / D)
Row turned(const double* x, std::int64_t position, std::int64_t head_dim, double theta, double sign) {
  Row y(static_cast<std::size_t>(head_dim));
  const std::int64_t half = head_dim / 2;
  for (std::int64_t i = 0; i < half; ++i) {
    const double frequency = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
    const double angle = sign * static_cast<double>(position) * frequency;
    y[static_cast<std::size_t>(i)] = x[i] * std::cos(angle) - x[half + i] * std::sin(angle);
    y[static_cast<std::size_t>(half + i)] = x[half + i] * std::cos(angle) + x[i] * std::sin(angle);
  }
  return y;
}

double dot(const double* a, const double* b, std::int64_t n) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// Where the parts of one (sequence, query head) lie.
struct Head {
  const AttentionShape& shape;
  std::int64_t item, head;
  std::int64_t row(std::int64_t t) const {
    return (item * shape.seq + t) * (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
  }
  std::int64_t kv_head() const { return head / (shape.heads / shape.kv_heads); }
  std::int64_t q(std::int64_t t) const { return row(t) + head * shape.head_dim; }
  std::int64_t k(std::int64_t t) const { return row(t) + (shape.heads + kv_head()) * shape.head_dim; }
  std::int64_t v(std::int64_t t) const { return k(t) + shape.kv_heads * shape.head_dim; }
  std::int64_t out(std::int64_t t) const { return ((item * shape.seq + t) * shape.heads + head) * shape.head_dim; }
};

// Scaled scores of query t over keys 0..t
Row scores(const double* qkv, const Head& at, std::int64_t t) {
  const std::int64_t d = at.shape.head_dim;
  const Row q = turned(qkv + at.q(t), t, d, at.shape.rope_theta, 1.0);
  Row s(static_cast<std::size_t>(t + 1));
  for (std::int64_t j = 0; j <= t; ++j) {
    const Row k = turned(qkv + at.k(j), j, d, at.shape.rope_theta, 1.0);
    s[static_cast<std::size_t>(j)] = dot(q.data(), k.data(), d) / std::sqrt(static_cast<double>(d));
  }
  return s;
}

double log_sum_exp(const Row& s) {
  const double max = *std::max_element(s.begin(), s.end());
  double sum = 0.0;
  for (double value : s) sum += std::exp(value - max);
  return max + std::log(sum);
}

// Of query t over keys 0..t
Row probabilities(const double* qkv, const Head& at, std::int64_t t) {
  Row p = scores(qkv, at, t);
  const double log_sum = log_sum_exp(p);
  for (double& value : p) value = std::exp(value - log_sum);
  return p;
}

void add_scaled(const double* x, double factor, double* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += factor * x[i];
}

void query_backward(const double* dout, const double* qkv, double* dqkv, const Head& at, std::int64_t t) {
  const std::int64_t d = at.shape.head_dim;
  const Row p = probabilities(qkv, at, t);
  Row dp(p.size());
  for (std::int64_t j = 0; j <= t; ++j) {
    dp[static_cast<std::size_t>(j)] = dot(dout + at.out(t), qkv + at.v(j), d);
    add_scaled(dout + at.out(t), p[static_cast<std::size_t>(j)], dqkv + at.v(j), d);
  }
  const double mean = dot(p.data(), dp.data(), t + 1);
  const Row q = turned(qkv + at.q(t), t, d, at.shape.rope_theta, 1.0);
  for (std::int64_t j = 0; j <= t; ++j) {
    const auto key = static_cast<std::size_t>(j);
    const double ds = p[key] * (dp[key] - mean) / std::sqrt(static_cast<double>(d));
    const Row k = turned(qkv + at.k(j), j, d, at.shape.rope_theta, 1.0);
    add_scaled(turned(k.data(), t, d, at.shape.rope_theta, -1.0).data(), ds, dqkv + at.q(t), d);
    add_scaled(turned(q.data(), j, d, at.shape.rope_theta, -1.0).data(), ds, dqkv + at.k(j), d);
  }
}

}  // namespace

void attention_forward(const double* qkv, double* out, const AttentionShape& shape) {
  for (std::int64_t item = 0; item < shape.batch; ++item) {
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      const Head at{shape, item, head};
      for (std::int64_t t = 0; t < shape.seq; ++t) {
        const Row p = probabilities(qkv, at, t);
        std::fill_n(out + at.out(t), shape.head_dim, 0.0);
        for (std::int64_t j = 0; j <= t; ++j) {
          add_scaled(qkv + at.v(j), p[static_cast<std::size_t>(j)], out + at.out(t), shape.head_dim);
        }
      }
    }
  }
}

void attention_log_sums(const double* qkv, double* log_sums, const AttentionShape& shape) {
  for (std::int64_t item = 0; item < shape.batch; ++item)
    for (std::int64_t head = 0; head < shape.heads; ++head)
      for (std::int64_t t = 0; t < shape.seq; ++t)
        log_sums[(item * shape.heads + head) * shape.seq + t] = log_sum_exp(scores(qkv, {shape, item, head}, t));
}

void attention_backward(const double* dout, const double* qkv, double* dqkv, const AttentionShape& shape) {
  std::fill_n(dqkv, shape.batch * shape.seq * (shape.heads + 2 * shape.kv_heads) * shape.head_dim, 0.0);
  for (std::int64_t item = 0; item < shape.batch; ++item) {
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      for (std::int64_t t = 0; t < shape.seq; ++t) query_backward(dout, qkv, dqkv, {shape, item, head}, t);
    }
  }
}

}  // namespace moesaic::executor::reference
