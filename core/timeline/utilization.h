#pragma once
// How much of the devices a plan uses, by the counts that papers publish. It measures and predicts nothing: the tokens
// per second are somebody else's.

#include "core/plan/plan.h"

namespace moesaic {

/// What the model needs for one token, whatever the plan does again or pads. Training: 6 N + 12 L H Q T (PaLM, arXiv
/// 2204.02311, appendix B); inference: 2 N (arXiv 2211.05102, section 2). N are the parameters that a token meets, its
/// top_k experts of each MoE layer among them, without an input table that only is looked up; L H Q is summed over the
/// layers, Q the mean width of a head's queries and values, T the tokens that a layer's queries see at most.
double model_flops_per_token(const Model& model, const Workload& workload);

struct Utilization {
  double tokens_per_second_per_device = 0;
  double mfu = 0;  // model FLOPs per second over the peak of the plan's devices in the compute dtype
};

Utilization utilization_of(const Plan& plan, double tokens_per_second);

}  // namespace moesaic
