// AdamW tasks: one or several weights, each with its moments and gradient, in one launch. The gradient is cleared for
// the next step; where ranks update shares of it, all of it is. In a step that does not count nothing else happens.
#include "executor/cuda/adamw.h"
#include "executor/cuda/cuda_backend.h"
#include "executor/cuda/cuda_check.h"
#include "executor/cuda/storage_format.h"

namespace moesaic::executor::cuda {
namespace {

template <typename Element>
void clear(Element* gradient, int64_t begin, int64_t end, Stream stream) {
  if (begin < end)
    CUDA_CHECK(cudaMemsetAsync(gradient + begin, 0, static_cast<size_t>(end - begin) * sizeof(Element), stream));
}

/// The ranges of one weight; what lies between them is cleared at once. moments: [m | v], and [| master] of BFloat16.
template <typename Element>
void append_ranges(const Operand& weight, const Operand& moments, Element* gradient,
                   const std::vector<UpdateRange>& ranges, std::vector<AdamWParameter<Element>>& parameters,
                   Stream stream) {
  const int64_t elements = weight.elements();
  float *m = moments.f32(), *v = m + elements, *master = v + elements;
  if constexpr (std::is_same_v<Element, float>) master = weight.f32();
  int64_t covered = 0;
  for (const UpdateRange& range : ranges) {
    clear(gradient, covered, range.begin, stream);
    parameters.push_back({weight.as<Element>() + range.begin, gradient + range.begin, m + range.begin, v + range.begin,
                          master + range.begin, range.end - range.begin, range.decay});
    covered = range.end;
  }
  clear(gradient, covered, elements, stream);
}

template <typename Element>
void update(const Launch& l, Stream stream) {
  const Optimizer& o = l.context.plan->workload.optimizer;
  std::vector<AdamWParameter<Element>> parameters;
  for (size_t i = 0; i < l.reads.size(); ++i) {
    const Operand &weight = l.writes[3 * i], &moments = l.writes[3 * i + 1], &gradient = l.writes[3 * i + 2];
    if (l.context.skip)
      clear(gradient.as<Element>(), 0, gradient.elements(), stream);
    else
      append_ranges(weight, moments, gradient.as<Element>(),
                    l.context.update_ranges[static_cast<size_t>(weight.tensor)], parameters, stream);
  }
  adamw_update<Element>(parameters, {o.learning_rate, o.beta1, o.beta2, o.epsilon, o.weight_decay}, l.context.step + 1,
                        stream);
}

}  // namespace

void launch_update(const Launch& l, Stream stream) {
  if (l.reads.empty()) return;
  with_element(l.writes[0].dtype, [&](auto element) { update<decltype(element)>(l, stream); });
}

}  // namespace moesaic::executor::cuda
