// AdamW tasks: one or several weights, each with its moments and gradient, in one launch. The gradient is cleared for
// the next step; where ranks update shares of it, all of it is. In a step that does not count nothing else happens.
#include "executor/cuda/adamw.h"
#include "executor/cuda/cuda_backend.h"
#include "executor/cuda/cuda_check.h"
#include "executor/cuda/storage_format.h"

namespace moesaic::executor::cuda {
namespace {

/// The ranges of one weight. moments: [m | v], and [| master] of BFloat16.
template <typename Element>
void append_ranges(const Operand& weight, const Operand& moments, Element* gradient,
                   const std::vector<UpdateRange>& ranges, std::vector<AdamWParameter<Element>>& parameters) {
  const int64_t elements = weight.elements();
  float *m = moments.f32(), *v = m + elements, *master = v + elements;
  if constexpr (std::is_same_v<Element, float>) master = weight.f32();
  for (const UpdateRange& range : ranges)
    parameters.push_back({weight.as<Element>() + range.begin, gradient + range.begin, m + range.begin, v + range.begin,
                          master + range.begin, range.end - range.begin, range.decay});
}

/// What the update itself does not clear: all of a gradient that is more than its ranges.
bool has_more(const Operand& cleared, const Operand& gradient, const std::vector<UpdateRange>& ranges) {
  return cleared.data != gradient.data || cleared.elements() != gradient.elements() || ranges.size() != 1 ||
         ranges[0].begin != 0 || ranges[0].end != gradient.elements();
}

template <typename Element>
void update(const Launch& l, Stream stream) {
  const Optimizer& o = l.context.plan->workload.optimizer;
  std::vector<AdamWParameter<Element>> parameters;
  std::vector<const Operand*> to_clear;
  for (size_t i = 0; i < l.reads.size(); ++i) {
    const Operand &gradient = l.reads[i], &weight = l.writes[3 * i], &cleared = l.writes[3 * i + 2];
    const std::vector<UpdateRange>& ranges = l.context.update_ranges[static_cast<size_t>(weight.tensor)];
    if (!l.context.skip) append_ranges(weight, l.writes[3 * i + 1], gradient.as<Element>(), ranges, parameters);
    if (l.context.skip || has_more(cleared, gradient, ranges)) to_clear.push_back(&cleared);
  }
  adamw_update<Element>(parameters, {o.learning_rate, o.beta1, o.beta2, o.epsilon, o.weight_decay}, l.context.step + 1,
                        stream);
  for (const Operand* cleared : to_clear)
    CUDA_CHECK(cudaMemsetAsync(cleared->data, 0, static_cast<size_t>(cleared->bytes()), stream));
}

}  // namespace

void launch_update(const Launch& l, Stream stream) {
  if (l.reads.empty()) return;
  with_element(l.writes[0].dtype, [&](auto element) { update<decltype(element)>(l, stream); });
}

}  // namespace moesaic::executor::cuda
