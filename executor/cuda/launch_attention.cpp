// Tasks of attention -> operator calls.
#include "core/operators/attention.h"
#include "executor/cuda/kernels.h"
#include "executor/cuda/storage_format.h"
#include "executor/launch/dense_operands.h"

namespace moesaic::executor::cuda {
namespace {

void attention(const Launch& l, CudaKernels& device) {
  using Names = operands::Attention;
  const Operand &qkv = l.reads[Names::qkv], &out = l.writes[Names::out];
  with_element(qkv.dtype, [&]<typename Element>(Element) {
    device.attention.forward(qkv.as<const Element>(), out.as<Element>(), l.writes[Names::saved].f32(),
                             attention_shape(l), device.stream);
  });
}

void attention_gradient(const Launch& l, CudaKernels& device) {
  using Names = operands::AttentionBackward;
  const Operand& d_out = l.reads[Names::d_out];
  with_element(d_out.dtype, [&]<typename Element>(Element) {
    const auto in = [&](size_t operand) { return l.reads[operand].as<const Element>(); };
    device.attention.backward(in(Names::d_out), in(Names::qkv), in(Names::out), l.reads[Names::saved].f32(),
                              l.writes[Names::d_qkv].as<Element>(), attention_shape(l), device.stream);
  });
}

constexpr CudaKernel kKernels[] = {{Op::attention, attention}, {Op::attention_backward, attention_gradient}};

}  // namespace

std::span<const CudaKernel> attention_kernels() { return kKernels; }

}  // namespace moesaic::executor::cuda
