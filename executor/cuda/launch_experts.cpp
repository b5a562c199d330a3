// Tasks of experts -> operator calls. Row counts of slots are known to the host.
#include "executor/cuda/experts.h"
#include "executor/cuda/kernels.h"
#include "executor/cuda/regroup.h"
#include "executor/cuda/storage_format.h"
#include "executor/launch/expert_operands.h"

namespace moesaic::executor::cuda {
namespace {

ExpertsShape shape_of(const ExpertSizes& sizes) { return {sizes.slots, sizes.h, sizes.f, sizes.gated}; }

void experts(const Launch& l, CudaKernels& d) {
  const ExpertsForward e(l);
  with_element(e.x.dtype, [&]<typename Element>(Element) {
    experts_forward(d.linear, e.x.as<const Element>(), e.rows.data(), pointers<const Element>(e.up).data(),
                    pointers<const Element>(e.down).data(), e.u.as<Element>(), e.a.as<Element>(), e.y.as<Element>(),
                    shape_of(e.sizes), d.stream);
  });
}

void experts_data_gradient(const Launch& l, CudaKernels& d) {
  const ExpertsDgrad e(l);
  with_element(e.dy.dtype, [&]<typename Element>(Element) {
    experts_dgrad(d.linear, e.dy.as<const Element>(), e.u.as<const Element>(), e.rows.data(),
                  pointers<const Element>(e.up).data(), pointers<const Element>(e.down).data(), e.du.as<Element>(),
                  e.dx.as<Element>(), shape_of(e.sizes), d.stream);
  });
}

/// One operand of all chunks, gathered where there are several.
template <typename Element>
const Element* whole_rows(const ExpertsWgrad& e, ExpertsWgrad::Part part, Scratch purpose, CudaKernels& d) {
  if (e.order.empty()) return e.of_chunk(0, part).as<const Element>();
  const Bytes row_bytes = e.width(part) * static_cast<Bytes>(sizeof(Element));
  std::vector<CopySegment> copies;
  Bytes bytes = 0;
  for (const ChunkSegment& segment : e.order) {
    const auto* from = e.of_chunk(segment.chunk, part).as<const std::byte>() + segment.from * row_bytes;
    copies.push_back({from, segment.rows * row_bytes});
    bytes += copies.back().bytes;
  }
  void* whole = d.linear.scratch().get(d.stream, purpose, bytes);
  concatenate(copies, whole, d.stream);
  return static_cast<const Element*>(whole);
}

void experts_weight_gradient(const Launch& l, CudaKernels& d) {
  using Part = ExpertsWgrad::Part;
  const ExpertsWgrad e(l);
  with_element(e.of_chunk(0, Part::x).dtype, [&]<typename Element>(Element) {
    const Element* x = whole_rows<Element>(e, Part::x, Scratch::gathered_x, d);
    const Element* a = whole_rows<Element>(e, Part::a, Scratch::gathered_a, d);
    const Element* dy = whole_rows<Element>(e, Part::dy, Scratch::gathered_dy, d);
    const Element* du = whole_rows<Element>(e, Part::du, Scratch::gathered_du, d);
    experts_wgrad(d.linear, dy, du, x, a, e.rows.data(), pointers<Element>(e.d_up).data(),
                  pointers<Element>(e.d_down).data(), shape_of(e.sizes), d.stream);
  });
}

constexpr CudaKernel kKernels[] = {
    {Op::experts, experts}, {Op::experts_dgrad, experts_data_gradient}, {Op::experts_wgrad, experts_weight_gradient}};

}  // namespace

std::span<const CudaKernel> expert_kernels() { return kKernels; }

}  // namespace moesaic::executor::cuda
