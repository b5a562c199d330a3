#include "executor/cuda/attention.h"

#include <type_traits>

#include "executor/cuda/attention_plain.h"
#include "executor/cuda/rotary.h"

namespace moesaic::executor::cuda {

/// q and k with rotary positions, [tokens, turned_columns]. Made again for the backward pass: keeping it would cost as
/// much memory as qkv.
template <typename Element>
const Element* Attention::turned(const Element* qkv, const AttentionShape& s, Stream stream) {
  const int64_t elements = s.tokens() * s.turned_columns();
  auto* result =
      static_cast<Element*>(scratch_.get(stream, Scratch::turned, elements * static_cast<int64_t>(sizeof(Element))));
  rotary(qkv, s.qkv_columns(), result, s.turned_columns(), angles_.get(s.seq, s.head_dim, s.rope_theta, stream),
         s.tokens(), s.seq, s.heads + s.kv_heads, s.head_dim, Turn::forward, stream);
  return result;
}

template <typename Element>
void Attention::forward(const Element* qkv, Element* out, float* saved, const AttentionShape& shape, Stream stream) {
  if (shape.tokens() == 0) return;
  const Element* rotated = turned(qkv, shape, stream);
  if constexpr (std::is_same_v<Element, BFloat16>) {
    if (library_.forward(rotated, qkv, out, saved, shape, stream)) return;
  }
  plain_attention_forward(rotated, qkv, out, saved, shape, stream);
}

template <typename Element>
void Attention::backward(const Element* dout, const Element* qkv, const Element* out, const float* saved, Element* dqkv,
                         const AttentionShape& s, Stream stream) {
  if (s.tokens() == 0) return;
  const Element* rotated = turned(qkv, s, stream);
  auto* row_sums = static_cast<float*>(
      scratch_.get(stream, Scratch::row_sums, attention_rows(s) * static_cast<int64_t>(sizeof(float))));
  bool done = false;
  if constexpr (std::is_same_v<Element, BFloat16>)
    done = library_.backward(dout, rotated, qkv, out, saved, dqkv, row_sums, s, stream);
  if (!done) plain_attention_backward(dout, rotated, qkv, out, saved, dqkv, row_sums, s, stream);
  rotary(dqkv, s.qkv_columns(), dqkv, s.qkv_columns(), angles_.get(s.seq, s.head_dim, s.rope_theta, stream), s.tokens(),
         s.seq, s.heads + s.kv_heads, s.head_dim, Turn::back, stream);
}

template void Attention::forward(const float*, float*, float*, const AttentionShape&, Stream);
template void Attention::forward(const BFloat16*, BFloat16*, float*, const AttentionShape&, Stream);
template void Attention::backward(const float*, const float*, const float*, const float*, float*, const AttentionShape&,
                                  Stream);
template void Attention::backward(const BFloat16*, const BFloat16*, const BFloat16*, const float*, BFloat16*,
                                  const AttentionShape&, Stream);

}  // namespace moesaic::executor::cuda
