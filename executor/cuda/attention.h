#pragma once
// Causal multi-head self-attention with rotary positions inside, and its gradient, on a stream; kv heads may be fewer
// than query heads. It does not store the probabilities: the backward pass makes them again from each row's log sum.

#include "executor/cuda/cudnn_attention.h"
#include "executor/cuda/rotary_angles.h"
#include "executor/cuda/stream_scratch.h"
#include "executor/launch/attention_shapes.h"

namespace moesaic::executor::cuda {

class Attention {
 public:
  explicit Attention(StreamScratch& scratch) : scratch_(scratch), library_(scratch) {}  // outlives the object

  // out = softmax(rotary(q) rotary(k)^T / sqrt(head_dim), causal) v
  // qkv [tokens, qkv_columns], out [tokens, out_columns], saved [batch, heads, seq] = log sum exp of each row of scaled
  // scores.
  template <typename Element>
  void forward(const Element* qkv, Element* out, float* saved, const AttentionShape& shape, Stream stream);

  // dqkv [tokens, qkv_columns] is overwritten.
  template <typename Element>
  void backward(const Element* dout, const Element* qkv, const Element* out, const float* saved, Element* dqkv,
                const AttentionShape& shape, Stream stream);

 private:
  template <typename Element>
  const Element* turned(const Element* qkv, const AttentionShape& shape, Stream stream);

  StreamScratch& scratch_;
  RotaryAngles angles_;
  CudnnAttention library_;
};

}  // namespace moesaic::executor::cuda
