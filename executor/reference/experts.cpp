#include "executor/reference/experts.h"

#include <vector>

#include "executor/reference/gelu.h"
#include "executor/reference/linear.h"
#include "executor/reference/swiglu.h"

namespace moesaic::executor::reference {

void experts_forward(const double* x, const std::int64_t* rows_per_slot, const double* const* up,
                     const double* const* down, double* u, double* a, double* y, const ExpertsShape& shape) {
  const auto [slots, h, f, gated] = shape;
  const std::int64_t width = gated ? 2 * f : f;
  for (std::int64_t slot = 0, row = 0; slot < slots; row += rows_per_slot[slot++]) {
    const std::int64_t rows = rows_per_slot[slot];
    linear_forward(x + row * h, up[slot], u + row * width, rows, width, h);
    if (gated)
      swiglu_forward(u + row * width, a + row * f, rows, f);
    else
      gelu_forward(u + row * f, a + row * f, rows * f);
    linear_forward(a + row * f, down[slot], y + row * h, rows, h, f);
  }
}

void experts_dgrad(const double* dy, const double* u, const std::int64_t* rows_per_slot, const double* const* up,
                   const double* const* down, double* du, double* dx, const ExpertsShape& shape) {
  const auto [slots, h, f, gated] = shape;
  const std::int64_t width = gated ? 2 * f : f;
  for (std::int64_t slot = 0, row = 0; slot < slots; row += rows_per_slot[slot++]) {
    const std::int64_t rows = rows_per_slot[slot];
    std::vector<double> da(static_cast<std::size_t>(rows * f));
    linear_dgrad(dy + row * h, down[slot], da.data(), rows, h, f);
    if (gated)
      swiglu_backward(da.data(), u + row * width, du + row * width, rows, f);
    else
      gelu_backward(da.data(), u + row * f, du + row * f, rows * f);
    linear_dgrad(du + row * width, up[slot], dx + row * h, rows, width, h);
  }
}

void experts_wgrad(const double* dy, const double* du, const double* x, const double* a,
                   const std::int64_t* rows_per_slot, double* const* dup, double* const* ddown,
                   const ExpertsShape& shape) {
  const auto [slots, h, f, gated] = shape;
  const std::int64_t width = gated ? 2 * f : f;
  for (std::int64_t slot = 0, row = 0; slot < slots; row += rows_per_slot[slot++]) {
    linear_wgrad(du + row * width, x + row * h, dup[slot], rows_per_slot[slot], width, h);
    linear_wgrad(dy + row * h, a + row * f, ddown[slot], rows_per_slot[slot], h, f);
  }
}

}  // namespace moesaic::executor::reference
