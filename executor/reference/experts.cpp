#include "executor/reference/experts.h"

#include "executor/reference/gelu.h"
#include "executor/reference/linear.h"

namespace moesaic::executor::reference {

void experts_forward(const double* x, const std::int64_t* rows_per_slot, const double* const* up,
                     const double* const* down, double* u, double* a, double* y, const ExpertsShape& shape) {
  const auto [slots, h, f] = shape;
  for (std::int64_t slot = 0, row = 0; slot < slots; row += rows_per_slot[slot++]) {
    const std::int64_t rows = rows_per_slot[slot];
    linear_forward(x + row * h, up[slot], u + row * f, rows, f, h);
    gelu_forward(u + row * f, a + row * f, rows * f);
    linear_forward(a + row * f, down[slot], y + row * h, rows, h, f);
  }
}

void experts_dgrad(const double* dy, const double* u, const std::int64_t* rows_per_slot, const double* const* up,
                   const double* const* down, double* du, double* dx, const ExpertsShape& shape) {
  const auto [slots, h, f] = shape;
  for (std::int64_t slot = 0, row = 0; slot < slots; row += rows_per_slot[slot++]) {
    const std::int64_t rows = rows_per_slot[slot];
    linear_dgrad(dy + row * h, down[slot], du + row * f, rows, h, f);
    gelu_backward(du + row * f, u + row * f, du + row * f, rows * f);
    linear_dgrad(du + row * f, up[slot], dx + row * h, rows, f, h);
  }
}

void experts_wgrad(const double* dy, const double* du, const double* x, const double* a,
                   const std::int64_t* rows_per_slot, double* const* dup, double* const* ddown,
                   const ExpertsShape& shape) {
  const auto [slots, h, f] = shape;
  for (std::int64_t slot = 0, row = 0; slot < slots; row += rows_per_slot[slot++]) {
    linear_wgrad(du + row * f, x + row * h, dup[slot], rows_per_slot[slot], f, h);
    linear_wgrad(dy + row * h, a + row * f, ddown[slot], rows_per_slot[slot], h, f);
  }
}

}  // namespace moesaic::executor::reference
