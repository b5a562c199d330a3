// Tasks of embedding, linear layers, norms, activations, sums and loss -> operator calls.
#include "executor/cuda/add.h"
#include "executor/cuda/cross_entropy.h"
#include "executor/cuda/cuda_backend.h"
#include "executor/cuda/cuda_check.h"
#include "executor/cuda/embedding.h"
#include "executor/cuda/gelu.h"
#include "executor/cuda/layer_norm.h"
#include "executor/cuda/storage_format.h"

namespace moesaic::executor::cuda {
namespace {

/// Adds the cross-entropy of this microbatch, as a share of the step's mean, to loss[0].
template <typename Element>
void cross_entropy_loss(const Launch& l, Linear& linear, Stream stream) {
  const StepContext& c = l.context;
  const double share = 1.0 / (static_cast<double>(c.step_tokens()) * c.plan->layout.micro_batches);
  cross_entropy(l.reads[0].as<Element>(), l.reads[1].i32(), l.writes[0].as<Element>(), l.writes[1].as<double>(),
                l.task.fixed_rows, l.task.shape.n, share, linear.scratch(), stream);
}

void clear(const Operand& x, Stream stream) {
  if (x.elements() > 0) CUDA_CHECK(cudaMemsetAsync(x.data, 0, static_cast<size_t>(x.bytes()), stream));
}

template <typename Element>
void launch_in(const Launch& l, Linear& linear, Stream stream) {
  const int64_t m = l.task.fixed_rows, n = l.task.shape.n, k = l.task.shape.k;
  const auto in = [&](size_t i) { return l.reads[i].as<Element>(); };
  const auto out = [&](size_t i) { return l.writes[i].as<Element>(); };
  switch (l.task.op) {
    case Op::embed:
      return embedding_forward(l.reads[0].i32(), in(1), out(0), m, k, stream);
    case Op::embed_backward:
      return embedding_backward(l.reads[1].i32(), in(0), out(0), m, k, n, linear.scratch(), stream);
    case Op::norm:
      return layer_norm_forward(in(0), in(1), out(0), l.writes[1].f32(), m, k, stream);
    case Op::norm_backward:
      return layer_norm_backward(in(0), in(1), l.reads[2].f32(), in(3), out(0), out(1), m, k, linear.scratch(), stream);
    case Op::linear:
      return linear.forward(in(0), in(1), out(0), m, n, k, stream);
    case Op::linear_dgrad:
      return linear.dgrad(in(0), in(1), out(0), m, n, k, stream);
    case Op::linear_wgrad:
      return linear.wgrad(in(0), in(1), out(0), m, n, k, stream);
    case Op::activation:
      return gelu_forward(in(0), out(0), m * n, stream);
    case Op::activation_backward:
      return gelu_backward(in(0), in(1), out(0), m * n, stream);
    case Op::add:
      return add(in(0), in(1), out(0), m * k, stream);
    case Op::cross_entropy:
      return cross_entropy_loss<Element>(l, linear, stream);
    default:
      throw_no_operator(l.task.op);
  }
}

}  // namespace

void launch_dense(const Launch& l, Linear& linear, Stream stream) {
  if (l.writes.empty()) throw_no_operator(l.task.op);
  if (l.task.op == Op::clear) return clear(l.writes[0], stream);
  with_element(l.writes[0].dtype, [&](auto element) { launch_in<decltype(element)>(l, linear, stream); });
}

}  // namespace moesaic::executor::cuda
