#include "executor/cpu/experts.h"

#include "executor/cpu/gelu.h"

namespace moesaic::executor::cpu {

void experts_forward(const float* x, const std::int64_t* rows_per_slot, const Weight* up, const Weight* down, float* u,
                     float* a, float* y, const ExpertsShape& shape, Precision precision) {
  const auto [slots, h, f] = shape;
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const std::int64_t rows = rows_per_slot[slot];
    if (rows == 0) continue;
    linear_forward(x, up[slot], u, rows, f, h, precision);
    gelu_forward(u, a, rows * f);
    linear_forward(a, down[slot], y, rows, h, f, precision);
    x += rows * h;
    u += rows * f;
    a += rows * f;
    y += rows * h;
  }
}

void experts_dgrad(const float* dy, const float* u, const std::int64_t* rows_per_slot, const Weight* up,
                   const Weight* down, float* du, float* dx, const ExpertsShape& shape, Precision precision) {
  const auto [slots, h, f] = shape;
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const std::int64_t rows = rows_per_slot[slot];
    if (rows == 0) continue;
    linear_dgrad(dy, down[slot], du, rows, h, f, precision);
    gelu_backward(du, u, du, rows * f);
    linear_dgrad(du, up[slot], dx, rows, f, h, precision);
    dy += rows * h;
    u += rows * f;
    du += rows * f;
    dx += rows * h;
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
