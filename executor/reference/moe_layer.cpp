#include "executor/reference/moe_layer.h"

#include <numeric>

#include "executor/reference/add.h"
#include "executor/reference/layer_norm.h"

namespace moesaic::executor::reference {
namespace {

std::vector<double> zeros(std::int64_t n) { return std::vector<double>(static_cast<std::size_t>(n), 0.0); }

// Pointers to the experts' matrices inside one array.
template <typename T>
std::vector<T*> matrices(T* first, std::int64_t count, std::int64_t elements) {
  std::vector<T*> pointers;
  for (std::int64_t i = 0; i < count; ++i) pointers.push_back(first + i * elements);
  return pointers;
}

RouterShape router_shape(const MoeShape& s) { return {s.m, s.h, s.num_experts, s.top_k, s.capacity, s.top_k > 1}; }
PermuteShape permute_shape(const MoeShape& s) { return {s.m, s.top_k, s.h}; }
ExpertsShape experts_shape(const MoeShape& s) { return {s.num_experts, s.h, s.f}; }

// d auxiliary / d p_te = alpha E f_e / T, for every t
std::vector<double> auxiliary_gradient(const MoeActivations& saved, const MoeShape& shape) {
  const auto tokens = static_cast<double>(shape.m), experts = static_cast<double>(shape.num_experts);
  std::vector<double> gradient;
  for (std::int64_t count : saved.counts) {
    const double fraction = static_cast<double>(count) / (tokens * static_cast<double>(shape.top_k));
    gradient.push_back(shape.alpha * experts * fraction / tokens);
  }
  return gradient;
}

}  // namespace

MoeActivations moe_layer_forward(const double* x, const MoeParameters& parameters, double* out, const MoeShape& shape) {
  const auto [m, h, f, experts, top_k, capacity, alpha] = shape;
  MoeActivations s;
  s.stats = zeros(2 * m), s.z = zeros(m * h), s.p = zeros(m * experts), s.weights = zeros(m * top_k);
  s.chosen.resize(s.weights.size()), s.row_of_choice.resize(s.weights.size());
  s.counts.resize(static_cast<std::size_t>(experts)), s.rows_per_slot.resize(static_cast<std::size_t>(experts));
  layer_norm_forward(x, parameters.norm.data(), s.z.data(), s.stats.data(), m, h);
  router_forward(s.z.data(), parameters.router.data(), s.p.data(), s.chosen.data(), s.weights.data(), s.counts.data(),
                 router_shape(shape));
  std::vector<std::int32_t> slot_of_expert(static_cast<std::size_t>(experts));
  std::iota(slot_of_expert.begin(), slot_of_expert.end(), 0);
  const std::int64_t rows = build_permutation(s.chosen.data(), slot_of_expert.data(), s.row_of_choice.data(),
                                              s.rows_per_slot.data(), m, top_k, experts);
  s.send = zeros(rows * h), s.u = zeros(rows * f), s.a = zeros(rows * f), s.returned = zeros(rows * h);
  permute_forward(s.z.data(), s.row_of_choice.data(), s.send.data(), permute_shape(shape));
  experts_forward(s.send.data(), s.rows_per_slot.data(), matrices(parameters.up.data(), experts, f * h).data(),
                  matrices(parameters.down.data(), experts, h * f).data(), s.u.data(), s.a.data(), s.returned.data(),
                  experts_shape(shape));
  unpermute_forward(s.returned.data(), s.row_of_choice.data(), s.weights.data(), x, out, permute_shape(shape));
  const auto gradient = auxiliary_gradient(s, shape);
  for (std::int64_t i = 0; i < m * experts; ++i) {
    s.auxiliary += gradient[static_cast<std::size_t>(i % experts)] * s.p[static_cast<std::size_t>(i)];
  }
  return s;
}

void moe_layer_backward(const double* dout, const double* x, const MoeParameters& parameters,
                        const MoeActivations& saved, double* dx, MoeParameters& gradients, const MoeShape& shape) {
  const auto [m, h, f, experts, top_k, capacity, alpha] = shape;
  const auto rows = static_cast<std::int64_t>(saved.returned.size()) / h;
  auto dreturned = zeros(rows * h), dweights = zeros(m * top_k), du = zeros(rows * f), dsend = zeros(rows * h),
       dz = zeros(m * h);
  unpermute_backward(dout, saved.returned.data(), saved.row_of_choice.data(), saved.weights.data(), dreturned.data(),
                     dweights.data(), permute_shape(shape));
  experts_dgrad(dreturned.data(), saved.u.data(), saved.rows_per_slot.data(),
                matrices(parameters.up.data(), experts, f * h).data(),
                matrices(parameters.down.data(), experts, h * f).data(), du.data(), dsend.data(), experts_shape(shape));
  experts_wgrad(dreturned.data(), du.data(), saved.send.data(), saved.a.data(), saved.rows_per_slot.data(),
                matrices(gradients.up.data(), experts, f * h).data(),
                matrices(gradients.down.data(), experts, h * f).data(), experts_shape(shape));
  permute_backward(dsend.data(), saved.row_of_choice.data(), dz.data(), permute_shape(shape));
  router_backward(dweights.data(), saved.p.data(), saved.chosen.data(), auxiliary_gradient(saved, shape).data(),
                  saved.z.data(), parameters.router.data(), dz.data(), gradients.router.data(), router_shape(shape));
  layer_norm_backward(dz.data(), x, saved.stats.data(), parameters.norm.data(), dx, gradients.norm.data(), m, h);
  accumulate(dout, dx, m * h);
}

}  // namespace moesaic::executor::reference
