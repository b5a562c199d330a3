// Tasks of embedding, linear layers, norms, activations, sums and loss -> operator calls.
#include "executor/cuda/add.h"
#include "executor/cuda/cross_entropy.h"
#include "executor/cuda/cuda_backend.h"
#include "executor/cuda/embedding.h"
#include "executor/cuda/gelu.h"
#include "executor/cuda/layer_norm.h"

namespace moesaic::executor::cuda {
namespace {

/// Adds the cross-entropy of this microbatch, as a share of the step's mean, to loss[0].
void cross_entropy_loss(const Launch& l, Linear& linear, Stream stream) {
  const StepContext& c = l.context;
  const double share = 1.0 / (static_cast<double>(c.step_tokens()) * c.plan->layout.micro_batches);
  cross_entropy(l.reads[0].f32(), l.reads[1].i32(), l.writes[0].f32(), static_cast<double*>(l.writes[1].data),
                l.task.fixed_rows, l.task.shape.n, share, linear.scratch(), stream);
}

}  // namespace

void launch_dense(const Launch& l, Linear& linear, Stream stream) {
  const int64_t m = l.task.fixed_rows, n = l.task.shape.n, k = l.task.shape.k;
  const Precision precision = l.task.dtype == DType::bf16 ? Precision::bf16 : Precision::f32;
  const auto in = [&](size_t i) { return l.reads[i].f32(); };
  const auto out = [&](size_t i) { return l.writes[i].f32(); };
  switch (l.task.op) {
    case Op::embed:
      return embedding_forward(l.reads[0].i32(), in(1), out(0), m, k, stream);
    case Op::embed_backward:
      return embedding_backward(l.reads[1].i32(), in(0), out(0), m, k, stream);
    case Op::norm:
      return layer_norm_forward(in(0), in(1), out(0), out(1), m, k, stream);
    case Op::norm_backward:
      return layer_norm_backward(in(0), in(1), in(2), in(3), out(0), out(1), m, k, stream);
    case Op::linear:
      return linear.forward(in(0), in(1), out(0), m, n, k, precision, stream);
    case Op::linear_dgrad:
      return linear.dgrad(in(0), in(1), out(0), m, n, k, precision, stream);
    case Op::linear_wgrad:
      return linear.wgrad(in(0), in(1), out(0), m, n, k, precision, stream);
    case Op::activation:
      return gelu_forward(in(0), out(0), m * n, stream);
    case Op::activation_backward:
      return gelu_backward(in(0), in(1), out(0), m * n, stream);
    case Op::add:
      return add(in(0), in(1), out(0), m * k, stream);
    case Op::cross_entropy:
      return cross_entropy_loss(l, linear, stream);
    default:
      throw_no_operator(l.task.op);
  }
}

}  // namespace moesaic::executor::cuda
