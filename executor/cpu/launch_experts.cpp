// Tasks of experts -> operator calls. Rows that only products read are bf16 where the products are.
#include "executor/cpu/experts.h"
#include "executor/cpu/kernels.h"
#include "executor/launch/expert_operands.h"

namespace moesaic::executor::cpu {
namespace {

/// [slots], each with its rounded copy where the products want one.
std::vector<Weight> weights(const Launch& l, const SlotParts& parts, RoundedWeights& rounded) {
  std::vector<Weight> found;
  const Operand* held = nullptr;
  const BFloat16* copy = nullptr;
  for (const SlotPart& part : parts) {
    if (part.held != held) {
      held = part.held;
      copy = held != nullptr && l.task.dtype == DType::bf16 ? rounded.find(*held, *l.context.graph) : nullptr;
    }
    found.emplace_back(part.as<float>(), copy == nullptr ? nullptr : copy + part.begin);
  }
  return found;
}

ExpertsShape shape_of(const ExpertSizes& sizes) { return {sizes.slots, sizes.h, sizes.f, sizes.gated}; }

template <typename Element>
void forward(const Launch& l, const ExpertsForward& e, RoundedWeights& rounded) {
  experts_forward(e.x.as<const Element>(), e.rows.data(), weights(l, e.up, rounded).data(),
                  weights(l, e.down, rounded).data(), e.u.f32(), e.a.as<Element>(), e.y.f32(), shape_of(e.sizes),
                  precision_of(l.task));
}

void experts(const Launch& l, RoundedWeights& rounded) {
  const ExpertsForward e(l);
  e.x.dtype == DType::bf16 ? forward<BFloat16>(l, e, rounded) : forward<float>(l, e, rounded);
}

template <typename Element>
void data_gradient(const Launch& l, const ExpertsDgrad& e, RoundedWeights& rounded) {
  experts_dgrad(e.dy.as<const Element>(), e.u.f32(), e.rows.data(), weights(l, e.up, rounded).data(),
                weights(l, e.down, rounded).data(), e.du.as<Element>(), e.dx.f32(), shape_of(e.sizes),
                precision_of(l.task));
}

void experts_data_gradient(const Launch& l, RoundedWeights& rounded) {
  const ExpertsDgrad e(l);
  e.dy.dtype == DType::bf16 ? data_gradient<BFloat16>(l, e, rounded) : data_gradient<float>(l, e, rounded);
}

/// Rows of all chunks, gathered where there are several.
template <typename Element>
class WholeRows {
 public:
  WholeRows(const ExpertsWgrad& e, ExpertsWgrad::Part part) : data_(e.of_chunk(0, part).as<const Element>()) {
    if (e.order.empty()) return;
    const int64_t width = e.width(part);
    for (const ChunkSegment& segment : e.order) {
      const Element* from = e.of_chunk(segment.chunk, part).template as<const Element>() + segment.from * width;
      gathered_.insert(gathered_.end(), from, from + segment.rows * width);
    }
    data_ = gathered_.data();
  }
  const Element* data() const { return data_; }

 private:
  std::vector<Element> gathered_;
  const Element* data_;
};

template <typename Element>
void weight_gradient(const Launch& l, const ExpertsWgrad& e) {
  using Part = ExpertsWgrad::Part;
  const WholeRows<Element> x(e, Part::x), a(e, Part::a), dy(e, Part::dy), du(e, Part::du);
  experts_wgrad(dy.data(), du.data(), x.data(), a.data(), e.rows.data(), pointers<float>(e.d_up).data(),
                pointers<float>(e.d_down).data(), shape_of(e.sizes), precision_of(l.task));
}

void experts_weight_gradient(const Launch& l, RoundedWeights&) {
  const ExpertsWgrad e(l);
  e.of_chunk(0, ExpertsWgrad::Part::x).dtype == DType::bf16 ? weight_gradient<BFloat16>(l, e)
                                                            : weight_gradient<float>(l, e);
}

constexpr CpuKernel kExpertKernels[] = {
    {Op::experts, experts}, {Op::experts_dgrad, experts_data_gradient}, {Op::experts_wgrad, experts_weight_gradient}};

}  // namespace

std::span<const CpuKernel> expert_kernels() { return kExpertKernels; }

}  // namespace moesaic::executor::cpu
