#include "executor/cpu/experts.h"

#include <numeric>

#include "executor/cpu/gelu.h"
#include "executor/cpu/scratch.h"

namespace moesaic::executor::cpu {
namespace {

// Rows that a slot's products compute: up to a whole block, which saves the pass over the weights that a tail costs.
// `left`: rows of this slot and those behind it, whose rows fill it up; their own results then take the place of these.
constexpr std::int64_t filled_rows(std::int64_t rows, std::int64_t left) {
  const std::int64_t filled = (rows + kRowGranularity - 1) / kRowGranularity * kRowGranularity;
  return rows > kRowGranularity && filled <= left ? filled : rows;
}

constexpr MatmulShape product(std::int64_t m, std::int64_t n, std::int64_t k, Transpose transpose_b) {
  return {m, n, k, Transpose::no, transpose_b, false, 0, 0, 0};
}

// The operands of one expert's products, rounded. One at a time of each kind.
struct RoundedOperands {
  const BFloat16* rows(const float* x, std::int64_t count) { return rounded(x, count, row_scratch); }
  const BFloat16* weight(Weight w, std::int64_t count) {
    return w.bf16 != nullptr ? w.bf16 : rounded(w.f32, count, weight_scratch);
  }
  static const BFloat16* rounded(const float* x, std::int64_t count, Scratch<BFloat16>& scratch) {
    BFloat16* copy = scratch.of_size(count);
    round_to_bf16(x, copy, count);
    return copy;
  }
  Scratch<BFloat16> row_scratch, weight_scratch, hidden_scratch;
};

RoundedOperands& operands() {
  thread_local RoundedOperands instance;
  return instance;
}

// The same bits as three separate operators; the rounded result of GELU never goes through memory twice.
void forward_bf16(const float* x, Weight up, Weight down, float* u, float* a, float* y, std::int64_t rows,
                  std::int64_t h, std::int64_t f) {
  RoundedOperands& o = operands();
  matmul(o.rows(x, rows * h), o.weight(up, f * h), u, product(rows, f, h, Transpose::yes));
  BFloat16* a16 = o.hidden_scratch.of_size(rows * f);
  gelu_forward(u, a, a16, rows * f);
  matmul(a16, o.weight(down, h * f), y, product(rows, h, f, Transpose::yes));
}

void dgrad_bf16(const float* dy, const float* u, Weight up, Weight down, float* du, float* dx, std::int64_t rows,
                std::int64_t h, std::int64_t f) {
  RoundedOperands& o = operands();
  matmul(o.rows(dy, rows * h), o.weight(down, h * f), du, product(rows, f, h, Transpose::no));
  BFloat16* du16 = o.hidden_scratch.of_size(rows * f);
  gelu_backward(du, u, du, du16, rows * f);
  matmul(du16, o.weight(up, f * h), dx, product(rows, h, f, Transpose::no));
}

}  // namespace

void experts_forward(const float* x, const std::int64_t* rows_per_slot, const Weight* up, const Weight* down, float* u,
                     float* a, float* y, const ExpertsShape& shape, Precision precision) {
  const auto [slots, h, f] = shape;
  std::int64_t left = std::accumulate(rows_per_slot, rows_per_slot + slots, std::int64_t{0});
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const std::int64_t own = rows_per_slot[slot], rows = filled_rows(own, left);
    if (own == 0) continue;
    if (precision == Precision::bf16) {
      forward_bf16(x, up[slot], down[slot], u, a, y, rows, h, f);
    } else {
      linear_forward(x, up[slot], u, rows, f, h, precision);
      gelu_forward(u, a, rows * f);
      linear_forward(a, down[slot], y, rows, h, f, precision);
    }
    x += own * h;
    u += own * f;
    a += own * f;
    y += own * h;
    left -= own;
  }
}

void experts_dgrad(const float* dy, const float* u, const std::int64_t* rows_per_slot, const Weight* up,
                   const Weight* down, float* du, float* dx, const ExpertsShape& shape, Precision precision) {
  const auto [slots, h, f] = shape;
  std::int64_t left = std::accumulate(rows_per_slot, rows_per_slot + slots, std::int64_t{0});
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const std::int64_t own = rows_per_slot[slot], rows = filled_rows(own, left);
    if (own == 0) continue;
    if (precision == Precision::bf16) {
      dgrad_bf16(dy, u, up[slot], down[slot], du, dx, rows, h, f);
    } else {
      linear_dgrad(dy, down[slot], du, rows, h, f, precision);
      gelu_backward(du, u, du, rows * f);
      linear_dgrad(du, up[slot], dx, rows, f, h, precision);
    }
    dy += own * h;
    u += own * f;
    du += own * f;
    dx += own * h;
    left -= own;
  }
}

void experts_wgrad(const float* dy, const float* du, const float* x, const float* a, const std::int64_t* rows_per_slot,
                   float* const* dup, float* const* ddown, const ExpertsShape& shape, Precision precision) {
  const auto [slots, h, f] = shape;
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const std::int64_t rows = rows_per_slot[slot];
    if (rows == 0) continue;
    linear_wgrad(du, x, dup[slot], rows, f, h, precision);
    linear_wgrad(dy, a, ddown[slot], rows, h, f, precision);
    dy += rows * h;
    du += rows * f;
    x += rows * h;
    a += rows * f;
  }
}

}  // namespace moesaic::executor::cpu
