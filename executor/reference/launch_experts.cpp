// Tasks of experts -> operator calls.
#include <deque>

#include "executor/launch/expert_operands.h"
#include "executor/reference/experts.h"
#include "executor/reference/kernels.h"
#include "executor/reference/values.h"

namespace moesaic::executor::reference {
namespace {

ExpertsShape shape_of(const ExpertSizes& sizes) { return {sizes.slots, sizes.h, sizes.f, sizes.gated}; }
int64_t up_elements(const ExpertSizes& sizes) { return sizes.h * sizes.f * (sizes.gated ? 2 : 1); }
int64_t down_elements(const ExpertSizes& sizes) { return sizes.h * sizes.f; }

/// [slots] matrices, null where nothing holds a slot. Values: Input or Output.
template <typename Values, typename Pointer>
class Matrices {
 public:
  Matrices(const SlotParts& parts, int64_t elements) {
    for (const SlotPart& part : parts) {
      if (part.held != nullptr) values_.emplace_back(*part.held, part.begin, elements);
      pointers_.push_back(part.held == nullptr ? nullptr : static_cast<Pointer>(values_.back()));
    }
  }
  operator const Pointer*() const { return pointers_.data(); }  // NOLINT: as an argument

 private:
  std::deque<Values> values_;
  std::vector<Pointer> pointers_;
};
using Weights = Matrices<Input, const double*>;
using Gradients = Matrices<Output, double*>;

void experts(const Launch& l, Stateless&) {
  const ExpertsForward e(l);
  experts_forward(Input(e.x), e.rows.data(), Weights(e.up, up_elements(e.sizes)),
                  Weights(e.down, down_elements(e.sizes)), Output(e.u), Output(e.a), Output(e.y), shape_of(e.sizes));
}

void experts_data_gradient(const Launch& l, Stateless&) {
  const ExpertsDgrad e(l);
  experts_dgrad(Input(e.dy), Input(e.u), e.rows.data(), Weights(e.up, up_elements(e.sizes)),
                Weights(e.down, down_elements(e.sizes)), Output(e.du), Output(e.dx), shape_of(e.sizes));
}

/// Rows of all chunks, in the order of a whole exchange.
std::vector<double> whole_rows(const ExpertsWgrad& e, ExpertsWgrad::Part part) {
  if (e.order.empty()) return read_values(e.of_chunk(0, part), 0, e.of_chunk(0, part).elements());
  const int64_t width = e.width(part);
  std::vector<double> rows;
  for (const ChunkSegment& segment : e.order) {
    const auto values = read_values(e.of_chunk(segment.chunk, part), segment.from * width, segment.rows * width);
    rows.insert(rows.end(), values.begin(), values.end());
  }
  return rows;
}

void experts_weight_gradient(const Launch& l, Stateless&) {
  using Part = ExpertsWgrad::Part;
  const ExpertsWgrad e(l);
  experts_wgrad(whole_rows(e, Part::dy).data(), whole_rows(e, Part::du).data(), whole_rows(e, Part::x).data(),
                whole_rows(e, Part::a).data(), e.rows.data(), Gradients(e.d_up, up_elements(e.sizes)),
                Gradients(e.d_down, down_elements(e.sizes)), shape_of(e.sizes));
}

constexpr ReferenceKernel kExpertKernels[] = {
    {Op::experts, experts}, {Op::experts_dgrad, experts_data_gradient}, {Op::experts_wgrad, experts_weight_gradient}};

}  // namespace

std::span<const ReferenceKernel> expert_kernels() { return kExpertKernels; }

}  // namespace moesaic::executor::reference
