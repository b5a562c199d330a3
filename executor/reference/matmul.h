#pragma once
// The plain double loop of executor/cpu/matmul.h: the truth that tests compare with.
// It is not fast and not for use outside tests.

#include <cstdint>

namespace moesaic::executor::reference {

enum class Transpose { no, yes };

// C [m, n] (+)= op(A) [m, k] op(B) [k, n], dense row-major
void matmul(const double* a, const double* b, double* c, std::int64_t m, std::int64_t n, std::int64_t k,
            Transpose transpose_a, Transpose transpose_b, bool accumulate);

}  // namespace moesaic::executor::reference
