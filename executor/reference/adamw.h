#pragma once
// The AdamW update in double; shapes as in executor/cpu/adamw.h.
// It is not fast and not for use outside tests.

#include <cstdint>

namespace moesaic::executor::reference {

struct AdamW {
  double lr = 1e-3, b1 = 0.9, b2 = 0.95, eps = 1e-8, decay = 0.1, gradient_scale = 1;
};

void adamw_update(double* w, const double* g, double* m, double* v, std::int64_t count, const AdamW& settings,
                  std::int64_t step, bool decay);

}  // namespace moesaic::executor::reference
