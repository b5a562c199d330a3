// AdamW tasks: one or several weights, each with its moments and gradient, in one launch. The gradient is cleared for
// the next step; where ranks update shares of it, all of it is. In a step that does not count nothing else happens. And
// what becomes of gradients before: cleared, or summed over replicas.
#include "core/operators/optimizer.h"
#include "executor/cuda/adamw.h"
#include "executor/cuda/add.h"
#include "executor/cuda/cuda_check.h"
#include "executor/cuda/flatten.h"
#include "executor/cuda/kernels.h"
#include "executor/cuda/storage_format.h"
#include "executor/launch/dense_operands.h"
#include "executor/launch/expert_operands.h"

namespace moesaic::executor::cuda {
namespace {

/// The ranges of one weight.
template <typename Element, typename Gradient>
void append_ranges(const Update& u, std::vector<AdamWParameter<Element, Gradient>>& parameters) {
  const int64_t elements = u.weight.elements();
  float *m = u.moments.f32(), *v = m + elements, *master = v + elements;
  if constexpr (std::is_same_v<Element, float>) master = u.weight.f32();
  auto* weight = u.weight.as<Element>();
  auto* gradient = u.gradient.as<Gradient>();
  for (const UpdateRange& range : u.ranges)
    parameters.push_back({weight + range.begin, gradient + range.begin, m + range.begin, v + range.begin,
                          master + range.begin, range.end - range.begin, range.decay});
}

/// What the update itself does not clear: all of a gradient that is more than its ranges.
bool has_more(const Update& u) {
  return u.cleared.data != u.gradient.data || u.cleared.elements() != u.gradient.elements() || u.ranges.size() != 1 ||
         u.ranges[0].begin != 0 || u.ranges[0].end != u.gradient.elements();
}

template <typename Element, typename Gradient>
void update(const Launch& l, const std::vector<Update>& updates, Stream stream) {
  const Optimizer& o = l.context.plan->workload.optimizer;
  std::vector<AdamWParameter<Element, Gradient>> parameters;
  if (!l.context.update.skip)
    for (const Update& u : updates) append_ranges(u, parameters);
  adamw_update<Element, Gradient>(parameters,
                                  {o.learning_rate_at(l.context.step), o.beta1, o.beta2, o.epsilon, o.weight_decay,
                                   l.context.update.gradient_scale},
                                  l.context.step + 1, stream);
  for (const Update& u : updates)
    if (l.context.update.skip || has_more(u)) set_to_zero(u.cleared, stream);
}

void adamw(const Launch& l, CudaKernels& device) {
  const std::vector<Update> updates = updates_of(l);
  if (updates.empty()) return;
  const Update& first = updates.front();
  if (first.weight.dtype == DType::bf16 && first.gradient.dtype == DType::f32)
    return update<BFloat16, float>(l, updates, device.stream);
  with_element(first.weight.dtype,
               [&]<typename Element>(Element) { update<Element, Element>(l, updates, device.stream); });
}

void flatten_gradients(const Launch& l, CudaKernels& device) {
  using Flatten = operands::FlattenGradients;
  set_to_zero(l.writes[Flatten::statistics], device.stream);
  for (size_t i = 0; i < l.reads.size(); ++i) {
    const Operand& gradient = l.reads[Flatten::of_parameter(i)];
    with_element(gradient.dtype, [&]<typename Element>(Element) {
      flatten_gradient(gradient.as<Element>(), l.writes[Flatten::widened].f32(),
                       l.writes[Flatten::copy_of_parameter(i)].f32(), l.writes[Flatten::statistics].f32(),
                       gradient.elements(), kLossScale, device.linear.scratch(), device.stream);
    });
  }
}

void clear(const Launch& l, CudaKernels& device) { set_to_zero(l.writes[operands::Clear::x], device.stream); }

template <typename Element>
void gather_slot(const ReplicaGradients::Slot& slot, const Operand& round, Stream stream) {
  auto* sum = round.as<Element>();
  for (const SlotPart& part : {slot.d_up, slot.d_down}) {
    accumulate(part.as<Element>(), sum, part.elements, stream);
    sum += part.elements;
  }
}

void gather_replicas(const Launch& l, CudaKernels& device) {
  using Gather = operands::GatherReplicas;
  for (const Operand& sum : l.writes) set_to_zero(sum, device.stream);
  for (const ReplicaGradients::Slot& slot : ReplicaGradients(l, l.reads[Gather::d_up], l.reads[Gather::d_down]).slots) {
    const Operand& round = l.writes[Gather::of_round(slot.round)];
    with_element(round.dtype, [&]<typename Element>(Element) { gather_slot<Element>(slot, round, device.stream); });
  }
}

void spread_replicas(const Launch& l, CudaKernels& device) {
  using Spread = operands::SpreadReplicas;
  const ReplicaGradients gradients(l, l.writes[Spread::up], l.writes[Spread::down]);
  for (const ReplicaGradients::Slot& slot : gradients.slots) {
    const Operand& round = l.reads[Spread::of_round(slot.round)];
    int64_t begin = 0;
    for (const SlotPart& part : {slot.d_up, slot.d_down}) {
      const auto at = [&](void* data, int64_t element) {
        return static_cast<std::byte*>(data) + bytes_of(round.dtype, element);
      };
      const auto bytes = static_cast<size_t>(bytes_of(round.dtype, part.elements));
      void* gradient = at(part.held->data, part.begin);
      if (gradients.keeps_sum)
        CUDA_CHECK(cudaMemcpyAsync(gradient, at(round.data, begin), bytes, cudaMemcpyDeviceToDevice, device.stream));
      else
        CUDA_CHECK(cudaMemsetAsync(gradient, 0, bytes, device.stream));
      begin += part.elements;
    }
  }
}

constexpr CudaKernel kKernels[] = {{Op::adamw, adamw},
                                   {Op::flatten_gradients, flatten_gradients},
                                   {Op::clear, clear},
                                   {Op::gather_replicas, gather_replicas},
                                   {Op::spread_replicas, spread_replicas}};

}  // namespace

void set_to_zero(const Operand& x, Stream stream) {
  if (x.elements() > 0) CUDA_CHECK(cudaMemsetAsync(x.data, 0, static_cast<size_t>(x.bytes()), stream));
}

std::span<const CudaKernel> update_kernels() { return kKernels; }

}  // namespace moesaic::executor::cuda
