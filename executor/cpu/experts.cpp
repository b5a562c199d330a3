#include "executor/cpu/experts.h"

#include <numeric>
#include <type_traits>

#include "executor/cpu/gelu.h"
#include "executor/cpu/row_heights.h"
#include "executor/cpu/scratch.h"
#include "executor/cpu/swiglu.h"

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

// One slot's rows.
struct SlotShape {
  std::int64_t rows, h, f, up_width;
  bool gated;
};

template <typename... Outputs>
void activate(const SlotShape& s, const float* u, Outputs... a) {
  s.gated ? swiglu_forward(u, a..., s.rows, s.f) : gelu_forward(u, a..., s.rows * s.f);
}
template <typename... Outputs>
void activation_gradient(const SlotShape& s, const float* da, const float* u, Outputs... du) {
  s.gated ? swiglu_backward(da, u, du..., s.rows, s.f) : gelu_backward(da, u, du..., s.rows * s.f);
}

// Of the activation: rounded in its own place, or beside it.
const BFloat16* activated(const SlotShape& s, const float* u, BFloat16* a) {
  activate(s, u, a);
  return a;
}
const BFloat16* activated(const SlotShape& s, const float* u, float* a) {
  BFloat16* a16 = operands().hidden_scratch.of_size(s.rows * s.f);
  activate(s, u, a, a16);
  return a16;
}
const BFloat16* gradient_of_u(const SlotShape& s, const float* da, const float* u, BFloat16* du) {
  activation_gradient(s, da, u, du);
  return du;
}
const BFloat16* gradient_of_u(const SlotShape& s, const float* da, const float* u, float* du) {
  BFloat16* du16 = operands().hidden_scratch.of_size(s.rows * s.up_width);
  activation_gradient(s, da, u, du, du16);
  return du16;
}

// Where the gradient of the activation stands: where it becomes that of u, if that fits.
float* gradient_of_activation(const SlotShape& s, BFloat16*) {
  return operands().gradient_scratch.of_size(s.rows * s.f);
}
float* gradient_of_activation(const SlotShape& s, float* du) {
  return s.gated ? operands().gradient_scratch.of_size(s.rows * s.f) : du;
}

// The same bits as three separate operators; the rounded result of the activation never goes through memory twice.
template <typename Element>
void forward_bf16(const Element* x, Weight up, Weight down, float* u, Element* a, float* y, const SlotShape& s) {
  RoundedOperands& o = operands();
  matmul(o.rows(x, s.rows * s.h), o.weight(up, s.up_width * s.h), u, product(s.rows, s.up_width, s.h, Transpose::yes));
  matmul(activated(s, u, a), o.weight(down, s.h * s.f), y, product(s.rows, s.h, s.f, Transpose::yes));
}

template <typename Element>
void dgrad_bf16(const Element* dy, const float* u, Weight up, Weight down, Element* du, float* dx, const SlotShape& s) {
  RoundedOperands& o = operands();
  float* da = gradient_of_activation(s, du);
  matmul(o.rows(dy, s.rows * s.h), o.weight(down, s.h * s.f), da, product(s.rows, s.f, s.h, Transpose::no));
  matmul(gradient_of_u(s, da, u, du), o.weight(up, s.up_width * s.h), dx,
         product(s.rows, s.h, s.up_width, Transpose::no));
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
  const auto [slots, h, f, gated] = shape;
  const std::int64_t up_width = shape.up_width();
  prepare_matmul(product(0, up_width, h, Transpose::yes), precision);
  prepare_matmul(product(0, h, f, Transpose::yes), precision);
  std::int64_t left = std::accumulate(rows_per_slot, rows_per_slot + slots, std::int64_t{0});
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const std::int64_t own = rows_per_slot[slot];
    if (own == 0) continue;
    const SlotShape s{filled_rows(own, left), h, f, up_width, gated};
    if (kRounded<Element> || precision == Precision::bf16) {
      forward_bf16(x, up[slot], down[slot], u, a, y, s);
    } else if constexpr (!kRounded<Element>) {
      linear_forward(x, up[slot], u, s.rows, up_width, h, precision);
      activate(s, u, a);
      linear_forward(a, down[slot], y, s.rows, h, f, precision);
    }
    x += own * h;
    u += own * up_width;
    a += own * f;
    y += own * h;
    left -= own;
  }
}

template <typename Element>
void experts_dgrad(const Element* dy, const float* u, const std::int64_t* rows_per_slot, const Weight* up,
                   const Weight* down, Element* du, float* dx, const ExpertsShape& shape, Precision precision) {
  const auto [slots, h, f, gated] = shape;
  const std::int64_t up_width = shape.up_width();
  prepare_matmul(product(0, f, h, Transpose::no), precision);
  prepare_matmul(product(0, h, up_width, Transpose::no), precision);
  std::int64_t left = std::accumulate(rows_per_slot, rows_per_slot + slots, std::int64_t{0});
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const std::int64_t own = rows_per_slot[slot];
    if (own == 0) continue;
    const SlotShape s{filled_rows(own, left), h, f, up_width, gated};
    if (kRounded<Element> || precision == Precision::bf16) {
      dgrad_bf16(dy, u, up[slot], down[slot], du, dx, s);
    } else if constexpr (!kRounded<Element>) {
      float* da = gradient_of_activation(s, du);
      linear_dgrad(dy, down[slot], da, s.rows, h, f, precision);
      activation_gradient(s, da, u, du);
      linear_dgrad(du, up[slot], dx, s.rows, up_width, h, precision);
    }
    dy += own * h;
    u += own * up_width;
    du += own * up_width;
    dx += own * h;
    left -= own;
  }
}

template <typename Element>
void experts_wgrad(const Element* dy, const Element* du, const Element* x, const Element* a,
                   const std::int64_t* rows_per_slot, float* const* dup, float* const* ddown, const ExpertsShape& shape,
                   Precision precision) {
  const auto [slots, h, f, gated] = shape;
  const std::int64_t up_width = shape.up_width();
  prepare_matmul(reduction(up_width, h), precision);
  prepare_matmul(reduction(h, f), precision);
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const std::int64_t rows = rows_per_slot[slot];
    if (rows == 0) continue;
    wgrad(du, x, dup[slot], rows, up_width, h, precision);
    wgrad(dy, a, ddown[slot], rows, h, f, precision);
    dy += rows * h;
    du += rows * up_width;
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
