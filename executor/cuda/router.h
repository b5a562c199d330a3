#pragma once
// The router on a stream: softmax over the experts, choice of the top k, rows of the send buffers, and the gradient
// through probabilities and weights with the auxiliary loss. Logits are f32 in every format: a rounded one would change
// the choice. It moves no rows and knows no other rank.

#include <cstdint>
#include <limits>

#include "executor/cuda/linear.h"
#include "executor/cuda/row_placement.h"

namespace moesaic::executor::cuda {

struct RouterShape {
  int64_t m = 0, h = 0, num_experts = 0, top_k = 0;
  bool normalised = true;  // weights of a token are divided by their sum
};

// z [m, h], w [num_experts, h] -> p [m, num_experts] = softmax(z w^T); route.chosen, largest p first, the lower index
// first among equals; route.weights = p, normalised: divided by the sum over the chosen; then place_rows over `chunks`:
// weights that stay are not normalised again. counts as place_rows() leaves them. At most kMaxExperts experts,
// else DeviceError.
template <typename Element>
void router_forward(Linear& linear, const Element* z, const Element* w, float* p, const Route& route, int32_t* counts,
                    const RouterShape& shape, int64_t chunks, const RowPlacement& placement, Stream stream);

/// d(loss)/d(p_te) = scale n_e for every token t, with n_e the kept choices of expert e on all ranks.
struct AuxiliaryLoss {
  double scale = 0;
  const int32_t* counts = nullptr;  // [count_rows, num_experts] of all ranks and chunks
  int64_t count_rows = 0;
  double* loss = nullptr;  // += scale sum over e of n_e sum over t of p_te; on the device
  // Counts of one rank may stand among those of other layers: so many rows together, then `stride` elements on the
  // next.
  int64_t rows_together = std::numeric_limits<int64_t>::max();
  int64_t stride = 0;
};

// dweights [m, top_k]; p, chosen and weights from router_forward. Overwrites dz [m, h], adds to dw [num_experts, h].
template <typename Element>
void router_backward(Linear& linear, const float* dweights, const float* p, const int32_t* chosen, const float* weights,
                     const AuxiliaryLoss& auxiliary, const Element* z, const Element* w, Element* dz, Element* dw,
                     const RouterShape& shape, Stream stream);

}  // namespace moesaic::executor::cuda
