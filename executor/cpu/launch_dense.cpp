// Tasks of attention, dense FFN, norms, embedding and loss -> operator calls.
#include "core/schema/error.h"
#include "executor/cpu/add.h"
#include "executor/cpu/attention.h"
#include "executor/cpu/cpu_backend.h"
#include "executor/cpu/cross_entropy.h"
#include "executor/cpu/embedding.h"
#include "executor/cpu/gelu.h"
#include "executor/cpu/layer_norm.h"
#include "executor/cpu/linear.h"

namespace moesaic::executor::cpu {
namespace {

Precision precision_of(const Task& task) { return task.dtype == DType::bf16 ? Precision::bf16 : Precision::f32; }

AttentionShape attention_shape(const Launch& l) {
  const OpShape& s = l.task.shape;
  return {l.task.fixed_rows / s.sequence, s.sequence, s.heads, s.kv_heads, s.head_dim};
}

/// Adds the cross-entropy of this microbatch, as a share of the step's mean, to loss[0].
void cross_entropy_loss(const Launch& l) {
  const StepContext& c = l.context;
  const double share = 1.0 / (static_cast<double>(c.step_tokens()) * c.plan->layout.micro_batches);
  auto* loss = static_cast<double*>(l.writes[1].data);
  loss[0] += share * cross_entropy(l.reads[0].f32(), l.reads[1].i32(), l.writes[0].f32(), l.task.fixed_rows,
                                   l.task.shape.n, static_cast<float>(share));
}

}  // namespace

void launch_dense(const Launch& l, RoundedWeights& rounded) {
  const int64_t m = l.task.fixed_rows, n = l.task.shape.n, k = l.task.shape.k;
  const auto in = [&](size_t i) { return l.reads[i].f32(); };
  const auto out = [&](size_t i) { return l.writes[i].f32(); };
  const auto weight = [&] {
    return Weight(in(1), l.task.dtype == DType::bf16 ? rounded.find(l.reads[1], *l.context.graph) : nullptr);
  };
  switch (l.task.op) {
    case Op::embed:
      return embedding_forward(l.reads[0].i32(), in(1), out(0), m, k);
    case Op::embed_backward:
      return embedding_backward(l.reads[1].i32(), in(0), out(0), m, k);
    case Op::norm:
      return layer_norm_forward(in(0), in(1), out(0), out(1), m, k);
    case Op::norm_backward:
      return layer_norm_backward(in(0), in(1), in(2), in(3), out(0), out(1), m, k);
    case Op::linear:
      return linear_forward(in(0), weight(), out(0), m, n, k, precision_of(l.task));
    case Op::linear_dgrad:
      return linear_dgrad(in(0), weight(), out(0), m, n, k, precision_of(l.task));
    case Op::linear_wgrad:
      return linear_wgrad(in(0), in(1), out(0), m, n, k, precision_of(l.task));
    case Op::attention:
      return attention_forward(in(0), out(0), out(1), attention_shape(l), precision_of(l.task));
    case Op::attention_backward:
      return attention_backward(in(0), in(1), in(2), in(3), out(0), attention_shape(l), precision_of(l.task));
    case Op::activation:
      return gelu_forward(in(0), out(0), m * n);
    case Op::activation_backward:
      return gelu_backward(in(0), in(1), out(0), m * n);
    case Op::add:
      return add(in(0), in(1), out(0), m * k);
    case Op::cross_entropy:
      return cross_entropy_loss(l);
    default:
      break;
  }
  throw InvariantError(__FILE__, __LINE__, "op", std::string("no CPU operator for ") + name_of(l.task.op));
}

}  // namespace moesaic::executor::cpu
