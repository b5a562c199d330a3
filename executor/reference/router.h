#pragma once
// The router in double, and its gradient; shapes and the rule for dropped choices as in executor/cpu/router.h.
// It is not fast and not for use outside tests.

#include <cstdint>

namespace moesaic::executor::reference {

constexpr std::int64_t kNoCapacity = -1;

struct RouterShape {
  std::int64_t m = 0, h = 0, num_experts = 0, top_k = 0, capacity = kNoCapacity;
  bool normalised = true;
};

void router_forward(const double* z, const double* w, double* p, std::int32_t* chosen, double* weights,
                    std::int64_t* counts, const RouterShape& shape);

// Differs from the fast one in how it knows the choice before dropping: it sorts p again.
void router_backward(const double* dweights, const double* p, const std::int32_t* chosen,
                     const double* auxiliary_gradient, const double* z, const double* w, double* dz, double* dw,
                     const RouterShape& shape);

}  // namespace moesaic::executor::reference
