#pragma once
// Element-wise sums in double; shapes as in executor/cpu/add.h.
// It is not fast and not for use outside tests.

#include <cstdint>

namespace moesaic::executor::reference {

void add(const double* a, const double* b, double* y, std::int64_t n);
void accumulate(const double* a, double* y, std::int64_t n);

}  // namespace moesaic::executor::reference
