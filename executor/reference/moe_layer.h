#pragma once
// One whole MoE layer in double on one rank: out = x + moe(layer_norm(x)), with the auxiliary loss, and its gradient.
// It is not distributed: it is the truth for every way of distributing the layer.

#include <cstdint>
#include <vector>

#include "executor/reference/experts.h"
#include "executor/reference/permute.h"
#include "executor/reference/router.h"

namespace moesaic::executor::reference {

struct MoeShape {
  std::int64_t m = 0, h = 0, f = 0, num_experts = 0, top_k = 0;
  std::int64_t capacity = kNoCapacity;
  double alpha = 0.01;  // of the auxiliary loss
};

struct MoeParameters {
  std::vector<double> norm;    // [2, h]
  std::vector<double> router;  // [num_experts, h]
  std::vector<double> up;      // [num_experts, f, h]
  std::vector<double> down;    // [num_experts, h, f]
};

// What the forward pass leaves for the backward pass.
struct MoeActivations {
  std::vector<double> stats, z, p, weights, send, u, a, returned;
  std::vector<std::int32_t> chosen, row_of_choice;
  std::vector<std::int64_t> counts, rows_per_slot;
  double auxiliary = 0.0;  // alpha E sum_e f_e P_e
};

MoeActivations moe_layer_forward(const double* x, const MoeParameters& parameters, double* out, const MoeShape& shape);

// Gradient of (dout . out + auxiliary): dx [m, h] is overwritten, `gradients` (sized as the parameters) is added to.
void moe_layer_backward(const double* dout, const double* x, const MoeParameters& parameters,
                        const MoeActivations& saved, double* dx, MoeParameters& gradients, const MoeShape& shape);

}  // namespace moesaic::executor::reference
