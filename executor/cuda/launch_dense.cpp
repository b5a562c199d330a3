// Tasks of embedding, linear layers, norms, activations and sums -> operator calls.
#include "executor/cuda/add.h"
#include "executor/cuda/cuda_backend.h"
#include "executor/cuda/embedding.h"
#include "executor/cuda/gelu.h"
#include "executor/cuda/layer_norm.h"

namespace moesaic::executor::cuda {

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
    default:
      throw_no_operator(l.task.op);
  }
}

}  // namespace moesaic::executor::cuda
