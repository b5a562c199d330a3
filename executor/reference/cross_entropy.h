#pragma once
// Cross entropy and its gradient in double; shapes as in executor/cpu/cross_entropy.h.
// It is not fast and not for use outside tests.

#include <cstdint>

namespace moesaic::executor::reference {

double cross_entropy(const double* logits, const std::int32_t* targets, double* dlogits, std::int64_t m, std::int64_t v,
                     double scale);

}  // namespace moesaic::executor::reference
