#include "core/timeline/utilization.h"

namespace moesaic {
namespace {

/// N: the lookup of an embedding apart from the head is no product.
double multiplied_parameters(const Model& model) {
  const int64_t table = model.tied_embeddings ? 0 : model.vocabulary * model.hidden;
  return static_cast<double>(active_parameters(model) - table);
}

/// L H Q T.
double attended(const Model& model, int64_t sequence) {
  const double key_width = static_cast<double>(model.latent_attention ? model.latent_attention->qk_nope_head_dim +
                                                                            model.latent_attention->qk_rope_head_dim
                                                                      : model.head_dim);
  const double value_width =
      static_cast<double>(model.latent_attention ? model.latent_attention->v_head_dim : model.head_dim);
  double sum = 0;
  for (int layer = 0; layer < model.num_layers; ++layer)
    sum += static_cast<double>(model.num_heads * model.keys_in_sight(layer, sequence)) * (key_width + value_width) / 2;
  return sum;
}

}  // namespace

double model_flops_per_token(const Model& model, const Workload& workload) {
  const double parameters = multiplied_parameters(model);
  if (workload.phase != WorkloadPhase::training) return 2 * parameters;
  return 6 * parameters + 12 * attended(model, workload.sequence_length);
}

Utilization utilization_of(const Plan& plan, double tokens_per_second) {
  Utilization utilization;
  utilization.tokens_per_second_per_device = tokens_per_second / plan.layout.ranks;
  double devices = 0;  // at their speeds
  for (int rank = 0; rank < plan.layout.ranks; ++rank) devices += plan.cluster.speed_of(rank);
  const Device& device = plan.cluster.device;
  const double peak =
      plan.workload.compute_dtype == DType::f32 ? device.peak_f32_flops_per_s : device.peak_bf16_flops_per_s;
  utilization.mfu = model_flops_per_token(plan.model, plan.workload) * tokens_per_second / (devices * peak);
  return utilization;
}

}  // namespace moesaic
