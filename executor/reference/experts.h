#pragma once
// The experts' feed-forward networks in double; shapes as in executor/cpu/experts.h.
// It is not fast and not for use outside tests.

#include <cstdint>

namespace moesaic::executor::reference {

struct ExpertsShape {
  std::int64_t slots = 0, h = 0, f = 0;
  bool gated = false;  // SwiGLU: up has the gate's rows first, u is twice as wide as a
};

void experts_forward(const double* x, const std::int64_t* rows_per_slot, const double* const* up,
                     const double* const* down, double* u, double* a, double* y, const ExpertsShape& shape);
void experts_dgrad(const double* dy, const double* u, const std::int64_t* rows_per_slot, const double* const* up,
                   const double* const* down, double* du, double* dx, const ExpertsShape& shape);
void experts_wgrad(const double* dy, const double* du, const double* x, const double* a,
                   const std::int64_t* rows_per_slot, double* const* dup, double* const* ddown,
                   const ExpertsShape& shape);

}  // namespace moesaic::executor::reference
