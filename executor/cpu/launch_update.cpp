// AdamW tasks: one or several weights, each with its moments and gradient. The gradient is cleared for the next step;
// where ranks update shares of it, all of it is. In a step that does not count nothing else happens.
#include <algorithm>
#include <cstring>

#include "executor/cpu/adamw.h"
#include "executor/cpu/cpu_backend.h"

namespace moesaic::executor::cpu {
namespace {

constexpr int64_t kStretch = 8192;  // elements: the weights are still in a near cache when their copy is renewed

}  // namespace

void launch_update(const Launch& l, RoundedWeights& rounded) {
  const Optimizer& o = l.context.plan->workload.optimizer;
  const AdamW settings{o.learning_rate, o.beta1, o.beta2, o.epsilon, o.weight_decay};
  for (size_t i = 0; i < l.reads.size(); ++i) {
    const Operand &gradient = l.reads[i], &weight = l.writes[3 * i], &moments = l.writes[3 * i + 1],
                  &cleared = l.writes[3 * i + 2];
    float *first_moment = moments.f32(), *second_moment = moments.f32() + weight.elements();
    for (const UpdateRange& range : l.context.update_ranges[static_cast<size_t>(weight.tensor)]) {
      if (l.context.skip) break;
      for (int64_t begin = range.begin; begin < range.end; begin += kStretch) {
        const int64_t end = std::min(begin + kStretch, range.end);
        adamw_update(weight.f32() + begin, gradient.f32() + begin, first_moment + begin, second_moment + begin,
                     end - begin, settings, l.context.step + 1, range.decay);
        rounded.renew(weight, begin, end);
      }
    }
    std::memset(cleared.data, 0, static_cast<size_t>(cleared.elements()) * sizeof(float));
  }
}

}  // namespace moesaic::executor::cpu
