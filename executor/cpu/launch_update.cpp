// AdamW tasks: one or several weights, each with its moments and gradient. The gradient is cleared for the next step;
// where ranks update shares of it, all of it is. In a step that does not count nothing else happens. And what becomes
// of gradients before: cleared, or summed over replicas.
#include <algorithm>
#include <cstring>

#include "core/operators/optimizer.h"
#include "executor/cpu/adamw.h"
#include "executor/cpu/add.h"
#include "executor/cpu/flatten.h"
#include "executor/cpu/kernels.h"
#include "executor/launch/dense_operands.h"
#include "executor/launch/expert_operands.h"

namespace moesaic::executor::cpu {
namespace {

constexpr int64_t kUpdatedStretch = 8192;  // elements: the weights are still in a near cache when their copy is renewed

void update(const Update& u, const UpdateRange& range, const Launch& l, RoundedWeights& rounded) {
  const Optimizer& o = l.context.plan->workload.optimizer;
  const StepContext& c = l.context;
  const AdamW settings{o.learning_rate_at(c.step), o.beta1, o.beta2, o.epsilon, o.weight_decay,
                       c.update.gradient_scale};
  float *first_moment = u.moments.f32(), *second_moment = u.moments.f32() + u.weight.elements();
  for (int64_t begin = range.begin; begin < range.end; begin += kUpdatedStretch) {
    const int64_t end = std::min(begin + kUpdatedStretch, range.end);
    adamw_update(u.weight.f32() + begin, u.gradient.f32() + begin, first_moment + begin, second_moment + begin,
                 end - begin, settings, c.step + 1, range.decay);
    rounded.renew(u.weight, begin, end);
  }
}

void adamw(const Launch& l, RoundedWeights& rounded) {
  for (const Update& u : updates_of(l)) {
    if (!l.context.update.skip)
      for (const UpdateRange& range : u.ranges) update(u, range, l, rounded);
    set_to_zero(u.cleared);
  }
}

void flatten_gradients(const Launch& l, RoundedWeights&) {
  using Flatten = operands::FlattenGradients;
  const Operand& statistics = l.writes[Flatten::statistics];
  set_to_zero(statistics);
  for (size_t i = 0; i < l.reads.size(); ++i) {
    const Operand& gradient = l.reads[Flatten::of_parameter(i)];
    flatten_gradient(gradient.f32(), l.writes[Flatten::widened].f32(), l.writes[Flatten::copy_of_parameter(i)].f32(),
                     statistics.f32(), gradient.elements(), kLossScale);
  }
}

void clear(const Launch& l, RoundedWeights&) { set_to_zero(l.writes[operands::Clear::x]); }

void gather_replicas(const Launch& l, RoundedWeights&) {
  using Gather = operands::GatherReplicas;
  for (const Operand& sum : l.writes) set_to_zero(sum);
  for (const ReplicaGradients::Slot& slot : ReplicaGradients(l, l.reads[Gather::d_up], l.reads[Gather::d_down]).slots) {
    float* sum = l.writes[Gather::of_round(slot.round)].f32();
    for (const SlotPart& part : {slot.d_up, slot.d_down}) {
      accumulate(part.as<float>(), sum, part.elements);
      sum += part.elements;
    }
  }
}

void spread_replicas(const Launch& l, RoundedWeights&) {
  using Spread = operands::SpreadReplicas;
  const ReplicaGradients gradients(l, l.writes[Spread::up], l.writes[Spread::down]);
  for (const ReplicaGradients::Slot& slot : gradients.slots) {
    const float* sum = l.reads[Spread::of_round(slot.round)].f32();
    for (const SlotPart& part : {slot.d_up, slot.d_down}) {
      if (gradients.keeps_sum)
        std::copy_n(sum, part.elements, part.as<float>());
      else
        std::fill_n(part.as<float>(), part.elements, 0.0f);
      sum += part.elements;
    }
  }
}

constexpr CpuKernel kUpdateKernels[] = {{Op::adamw, adamw},
                                        {Op::flatten_gradients, flatten_gradients},
                                        {Op::clear, clear},
                                        {Op::gather_replicas, gather_replicas},
                                        {Op::spread_replicas, spread_replicas}};

}  // namespace

void set_to_zero(const Operand& operand) { std::memset(operand.data, 0, static_cast<size_t>(operand.bytes())); }

std::span<const CpuKernel> update_kernels() { return kUpdateKernels; }

}  // namespace moesaic::executor::cpu
