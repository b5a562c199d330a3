#include "executor/cpu/experts.h"

#include <numeric>
#include <type_traits>

#include "executor/cpu/gelu.h"
#include "executor/cpu/row_heights.h"
#include "executor/cpu/scratch.h"

namespace moesaic::executor::cpu {
namespace {

// Rows that a slot's products compute: up to a whole block, which saves the pass over the weights that a tail costs.
// `left`: rows of this slot and those behind it, whose rows fill it up; their own results then take the place of these.
constexpr std::int64_t filled_rows(std::int64_t rows, std::int64_t left) {
  const std::int64_t filled = (rows + kRowGranularity - 1) / kRowGranularity * kRowGranularity;
  return filled <= left ? filled : rows;
}

constexpr MatmulShape product(std::int64_t m, std::int64_t n, std::int64_t k, Transpose transpose_b) {
  return {m, n, k, Transpose::no, transpose_b, false, 0, 0, 0};
}

constexpr MatmulShape reduction(std::int64_t n, std::int64_t k) {
  return {n, k, 0, Transpose::yes, Transpose::no, true, 0, 0, 0};
}

// The operands of one expert's products, rounded. One at a time of each kind.
struct RoundedOperands {
  const BFloat16* rows(const float* x, std::int64_t count) { return rounded(x, count, row_scratch); }
  const BFloat16* rows(const BFloat16* x, std::int64_t) { return x; }
  const BFloat16* weight(Weight w, std::int64_t count) {
    return w.bf16 != nullptr ? w.bf16 : rounded(w.f32, count, weight_scratch);
  }
  static const BFloat16* rounded(const float* x, std::int64_t count, Scratch<BFloat16>& scratch) {
    BFloat16* copy = scratch.of_size(count);
    round_to_bf16(x, copy, count);
    return copy;
  }
  Scratch<BFloat16> row_scratch, weight_scratch, hidden_scratch;
  Scratch<float> gradient_scratch;
};

RoundedOperands& operands() {
  thread_local RoundedOperands instance;
  return instance;
}

// Of the activation: rounded in its own place, or beside it.
const BFloat16* gelu_of(const float* u, BFloat16* a, std::int64_t count) {
  gelu_forward(u, a, count);
  return a;
}
const BFloat16* gelu_of(const float* u, float* a, std::int64_t count) {
  BFloat16* a16 = operands().hidden_scratch.of_size(count);
  gelu_forward(u, a, a16, count);
  return a16;
}

// The gradient of the activation becomes that of u, in the same way.
float* gradient_of_activation(BFloat16*, std::int64_t count) { return operands().gradient_scratch.of_size(count); }
float* gradient_of_activation(float* du, std::int64_t) { return du; }
const BFloat16* gelu_gradient(const float* da, const float* u, BFloat16* du, std::int64_t count) {
  gelu_backward(da, u, du, count);
  return du;
}
const BFloat16* gelu_gradient(const float* da, const float* u, float* du, std::int64_t count) {
  BFloat16* du16 = operands().hidden_scratch.of_size(count);
  gelu_backward(da, u, du, du16, count);
  return du16;
}

// The same bits as three separate operators; the rounded result of GELU never goes through memory twice.
template <typename Element>
void forward_bf16(const Element* x, Weight up, Weight down, float* u, Element* a, float* y, std::int64_t rows,
                  std::int64_t h, std::int64_t f) {
  RoundedOperands& o = operands();
  matmul(o.rows(x, rows * h), o.weight(up, f * h), u, product(rows, f, h, Transpose::yes));
  const BFloat16* a16 = gelu_of(u, a, rows * f);
  matmul(a16, o.weight(down, h * f), y, product(rows, h, f, Transpose::yes));
}

template <typename Element>
void dgrad_bf16(const Element* dy, const float* u, Weight up, Weight down, Element* du, float* dx, std::int64_t rows,
                std::int64_t h, std::int64_t f) {
  RoundedOperands& o = operands();
  float* da = gradient_of_activation(du, rows * f);
  matmul(o.rows(dy, rows * h), o.weight(down, h * f), da, product(rows, f, h, Transpose::no));
  const BFloat16* du16 = gelu_gradient(da, u, du, rows * f);
  matmul(du16, o.weight(up, f * h), dx, product(rows, h, f, Transpose::no));
}

void wgrad(const float* dy, const float* x, float* dw, std::int64_t m, std::int64_t n, std::int64_t k,
           Precision precision) {
  linear_wgrad(dy, x, dw, m, n, k, precision);
}
void wgrad(const BFloat16* dy, const BFloat16* x, float* dw, std::int64_t m, std::int64_t n, std::int64_t k,
           Precision) {
  MatmulShape shape = reduction(n, k);
  shape.k = m;
  matmul(dy, x, dw, shape);
}

template <typename Element>
constexpr bool kRounded = std::is_same_v<Element, BFloat16>;

}  // namespace

template <typename Element>
void experts_forward(const Element* x, const std::int64_t* rows_per_slot, const Weight* up, const Weight* down,
                     float* u, Element* a, float* y, const ExpertsShape& shape, Precision precision) {
  const auto [slots, h, f] = shape;
  prepare_matmul(product(0, f, h, Transpose::yes), precision);
  prepare_matmul(product(0, h, f, Transpose::yes), precision);
  std::int64_t left = std::accumulate(rows_per_slot, rows_per_slot + slots, std::int64_t{0});
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const std::int64_t own = rows_per_slot[slot], rows = filled_rows(own, left);
    if (own == 0) continue;
    if (kRounded<Element> || precision == Precision::bf16) {
      forward_bf16(x, up[slot], down[slot], u, a, y, rows, h, f);
    } else if constexpr (!kRounded<Element>) {
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

template <typename Element>
void experts_dgrad(const Element* dy, const float* u, const std::int64_t* rows_per_slot, const Weight* up,
                   const Weight* down, Element* du, float* dx, const ExpertsShape& shape, Precision precision) {
  const auto [slots, h, f] = shape;
  prepare_matmul(product(0, f, h, Transpose::no), precision);
  prepare_matmul(product(0, h, f, Transpose::no), precision);
  std::int64_t left = std::accumulate(rows_per_slot, rows_per_slot + slots, std::int64_t{0});
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const std::int64_t own = rows_per_slot[slot], rows = filled_rows(own, left);
    if (own == 0) continue;
    if (kRounded<Element> || precision == Precision::bf16) {
      dgrad_bf16(dy, u, up[slot], down[slot], du, dx, rows, h, f);
    } else if constexpr (!kRounded<Element>) {
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

template <typename Element>
void experts_wgrad(const Element* dy, const Element* du, const Element* x, const Element* a,
                   const std::int64_t* rows_per_slot, float* const* dup, float* const* ddown, const ExpertsShape& shape,
                   Precision precision) {
  const auto [slots, h, f] = shape;
  prepare_matmul(reduction(f, h), precision);
  prepare_matmul(reduction(h, f), precision);
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const std::int64_t rows = rows_per_slot[slot];
    if (rows == 0) continue;
    wgrad(du, x, dup[slot], rows, f, h, precision);
    wgrad(dy, a, ddown[slot], rows, h, f, precision);
    dy += rows * h;
    du += rows * f;
    x += rows * h;
    a += rows * f;
  }
}

template void experts_forward(const float*, const std::int64_t*, const Weight*, const Weight*, float*, float*, float*,
                              const ExpertsShape&, Precision);
template void experts_dgrad(const float*, const float*, const std::int64_t*, const Weight*, const Weight*, float*,
                            float*, const ExpertsShape&, Precision);
template void experts_wgrad(const float*, const float*, const float*, const float*, const std::int64_t*, float* const*,
                            float* const*, const ExpertsShape&, Precision);
template void experts_forward(const BFloat16*, const std::int64_t*, const Weight*, const Weight*, float*, BFloat16*,
                              float*, const ExpertsShape&, Precision);
template void experts_dgrad(const BFloat16*, const float*, const std::int64_t*, const Weight*, const Weight*, BFloat16*,
                            float*, const ExpertsShape&, Precision);
template void experts_wgrad(const BFloat16*, const BFloat16*, const BFloat16*, const BFloat16*, const std::int64_t*,
                            float* const*, float* const*, const ExpertsShape&, Precision);

}  // namespace moesaic::executor::cpu
