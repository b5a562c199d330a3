// AdamW tasks: one or several parameters, each with its weight, moments and gradient. The gradient is cleared for the
// next step.
#include <cstring>

#include "executor/cpu/adamw.h"
#include "executor/cpu/cpu_backend.h"

namespace moesaic::executor::cpu {

void launch_update(const Launch& l) {
  const Optimizer& o = l.context.plan->workload.optimizer;
  const AdamW settings{o.learning_rate, o.beta1, o.beta2, o.epsilon, o.weight_decay};
  for (size_t i = 0; i < l.reads.size(); ++i) {
    const Operand &weight = l.writes[3 * i], &moments = l.writes[3 * i + 1], &gradient = l.writes[3 * i + 2];
    const int64_t n = weight.elements();
    const Parameter& parameter =
        l.context.graph
            ->parameters[static_cast<size_t>(l.context.parameter_of_tensor[static_cast<size_t>(weight.tensor)])];
    adamw_update(weight.f32(), gradient.f32(), moments.f32(), moments.f32() + n, n, settings, l.context.step + 1,
                 parameter.decay);
    std::memset(gradient.data, 0, static_cast<size_t>(n) * sizeof(float));
  }
}

}  // namespace moesaic::executor::cpu
