#pragma once
// The router: softmax over the experts, choice of the top k, and the gradient through probabilities and weights.
// It moves no rows (permute.h) and knows no other rank; always f32, because a rounded logit would change the choice.

#include <cstdint>

namespace moesaic::executor::cpu {

constexpr std::int64_t kNoCapacity = -1;

struct RouterShape {
  std::int64_t m = 0, h = 0, num_experts = 0, top_k = 0;
  std::int64_t capacity = kNoCapacity;  // rows that one expert takes from this call
  bool normalised = true;               // weights of a token are divided by their sum
};

// z [m, h], w [num_experts, h] -> p [m, num_experts] = softmax(z w^T); chosen [m, top_k], largest p first, the lower
// index first among equals; weights [m, top_k] = p, normalised: divided by the sum over the chosen; counts
// [num_experts] = kept rows. With a capacity, choices beyond it are dropped in the order of tokens, then of choices:
// chosen is then -1 and the weight 0; the weights that stay are not normalised again.
void router_forward(const float* z, const float* w, float* p, std::int32_t* chosen, float* weights,
                    std::int64_t* counts, const RouterShape& shape);

// dweights [m, top_k]; auxiliary_gradient [num_experts] = d auxiliary / d p_te, the same for every t, or null.
// dz [m, h] and dw [num_experts, h] are added to.
void router_backward(const float* dweights, const float* p, const std::int32_t* chosen, const float* weights,
                     const float* auxiliary_gradient, const float* z, const float* w, float* dz, float* dw,
                     const RouterShape& shape);

}  // namespace moesaic::executor::cpu
