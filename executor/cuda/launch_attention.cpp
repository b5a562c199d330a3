// Tasks of attention -> operator calls.
#include "executor/cuda/attention.h"
#include "executor/cuda/cuda_backend.h"
#include "executor/cuda/storage_format.h"

namespace moesaic::executor::cuda {
namespace {

AttentionShape attention_shape(const Launch& l) {
  const OpShape& s = l.task.shape;
  return {l.task.fixed_rows / s.sequence, s.sequence, s.heads, s.kv_heads, s.head_dim};
}

template <typename Element>
void launch_as(const Launch& l, Attention& attention, Stream stream) {
  const auto in = [&](size_t i) { return l.reads[i].as<Element>(); };
  const AttentionShape shape = attention_shape(l);
  if (l.task.op == Op::attention) {
    attention.forward(in(0), l.writes[0].as<Element>(), l.writes[1].f32(), shape, stream);
  } else {
    attention.backward(in(0), in(1), in(2), l.reads[3].f32(), l.writes[0].as<Element>(), shape, stream);
  }
}

}  // namespace

void launch_attention(const Launch& l, Attention& attention, Stream stream) {
  if (l.task.op != Op::attention && l.task.op != Op::attention_backward) throw_no_operator(l.task.op);
  with_element(l.reads[0].dtype, [&](auto element) { launch_as<decltype(element)>(l, attention, stream); });
}

}  // namespace moesaic::executor::cuda
