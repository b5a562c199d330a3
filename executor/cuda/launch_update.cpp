// AdamW tasks: one or several parameters, each with its weight, moments and gradient, in one launch. The gradient is
// cleared for the next step.
#include "core/schema/error.h"
#include "executor/cuda/adamw.h"
#include "executor/cuda/cuda_backend.h"

namespace moesaic::executor::cuda {

void launch_update(const Launch& l, Stream stream) {
  MOESAIC_CHECK(!l.context.skip, "there is no kernel yet that clears gradients without an update");
  const Optimizer& o = l.context.plan->workload.optimizer;
  const AdamW settings{o.learning_rate, o.beta1, o.beta2, o.epsilon, o.weight_decay};
  std::vector<AdamWParameter> parameters;
  for (size_t i = 0; i < l.reads.size(); ++i) {
    const Operand &gradient = l.reads[i], &weight = l.writes[3 * i], &moments = l.writes[3 * i + 1];
    float *first_moment = moments.f32(), *second_moment = moments.f32() + weight.elements();
    for (const UpdateRange& range : l.context.update_ranges[static_cast<size_t>(weight.tensor)])
      parameters.push_back({weight.f32() + range.begin, gradient.f32() + range.begin, first_moment + range.begin,
                            second_moment + range.begin, range.end - range.begin, range.decay});
  }
  adamw_update(parameters, settings, l.context.step + 1, stream);
}

}  // namespace moesaic::executor::cuda
