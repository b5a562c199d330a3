// AdamW tasks: one or several weights, each with its moments and gradient, which is cleared for the next step. In a
// step that does not count nothing else happens. And what becomes of gradients before: cleared, or summed over
// replicas.
#include "core/operators/optimizer.h"
#include "executor/launch/dense_operands.h"
#include "executor/launch/expert_operands.h"
#include "executor/reference/adamw.h"
#include "executor/reference/add.h"
#include "executor/reference/flatten.h"
#include "executor/reference/kernels.h"
#include "executor/reference/values.h"

namespace moesaic::executor::reference {
namespace {

/// bf16 weights follow an f32 master behind the moments.
void update(const Update& u, const UpdateRange& range, const Launch& l) {
  const Optimizer& o = l.context.plan->workload.optimizer;
  const int64_t begin = range.begin, count = range.end - range.begin, elements = u.weight.elements();
  const bool has_master = u.weight.dtype != DType::f32;
  const Operand& updated = has_master ? u.moments : u.weight;
  const int64_t at = has_master ? 2 * elements + begin : begin;
  adamw_update(Output(updated, at, count), Input(u.gradient, begin, count), Output(u.moments, begin, count),
               Output(u.moments, elements + begin, count), count,
               {o.learning_rate_at(l.context.step), o.beta1, o.beta2, o.epsilon, o.weight_decay,
                l.context.update.gradient_scale},
               l.context.step + 1, range.decay);
  if (has_master) write_values(read_values(updated, at, count), u.weight, begin);
}

void adamw(const Launch& l, Stateless&) {
  for (const Update& u : updates_of(l)) {
    if (!l.context.update.skip)
      for (const UpdateRange& range : u.ranges) update(u, range, l);
    set_to_zero(u.cleared);
  }
}

void flatten_gradients(const Launch& l, Stateless&) {
  using Flatten = operands::FlattenGradients;
  set_to_zero(l.writes[Flatten::statistics]);
  Output statistics(l.writes[Flatten::statistics]);
  for (size_t i = 0; i < l.reads.size(); ++i) {
    const Operand& gradient = l.reads[Flatten::of_parameter(i)];
    flatten_gradient(Input(gradient), Output(l.writes[Flatten::copy_of_parameter(i)]), statistics, gradient.elements());
    if (gradient.elements() > 0)
      write_values(read_values(gradient, 0, gradient.elements()), l.writes[Flatten::widened], 0);
  }
}

void clear(const Launch& l, Stateless&) { set_to_zero(l.writes[operands::Clear::x]); }

void gather_replicas(const Launch& l, Stateless&) {
  using Gather = operands::GatherReplicas;
  for (const Operand& sum : l.writes) set_to_zero(sum);
  for (const auto& [round, d_up, d_down] : ReplicaGradients(l, l.reads[Gather::d_up], l.reads[Gather::d_down]).slots) {
    int64_t at = 0;
    for (const SlotPart& part : {d_up, d_down}) {
      Output sum(l.writes[Gather::of_round(round)], at, part.elements);
      accumulate(Input(*part.held, part.begin, part.elements), sum, part.elements);
      at += part.elements;
    }
  }
}

void spread_replicas(const Launch& l, Stateless&) {
  using Spread = operands::SpreadReplicas;
  const ReplicaGradients gradients(l, l.writes[Spread::up], l.writes[Spread::down]);
  for (const auto& [round, d_up, d_down] : gradients.slots) {
    int64_t at = 0;
    for (const SlotPart& part : {d_up, d_down}) {
      const std::vector<double> sum = read_values(l.reads[Spread::of_round(round)], at, part.elements);
      write_values(gradients.keeps_sum ? sum : std::vector<double>(sum.size(), 0.0), *part.held, part.begin);
      at += part.elements;
    }
  }
}

constexpr ReferenceKernel kUpdateKernels[] = {{Op::adamw, adamw},
                                              {Op::flatten_gradients, flatten_gradients},
                                              {Op::clear, clear},
                                              {Op::gather_replicas, gather_replicas},
                                              {Op::spread_replicas, spread_replicas}};

}  // namespace

std::span<const ReferenceKernel> update_kernels() { return kUpdateKernels; }

}  // namespace moesaic::executor::reference
