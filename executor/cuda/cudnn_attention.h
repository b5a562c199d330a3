#pragma once
// Attention on rotated q and k by cuDNN's fused engines, in bf16: plans by shape, made when first needed. Views by
// strides into the packed arrays, so nothing is copied. Where cuDNN is not built in, it refuses everything.

#include <memory>

#include "core/schema/bfloat16.h"
#include "executor/cuda/stream.h"
#include "executor/cuda/stream_scratch.h"
#include "executor/launch/attention_shapes.h"

namespace moesaic::executor::cuda {

class CudnnAttention {
 public:
  /// The scratch outlives the object. Backward passes whose scores have gradients of more than `score_limit` run in
  /// parts; 32 heads of 4096 tokens reach the default and are enough to fill an H200.
  explicit CudnnAttention(StreamScratch& scratch, Bytes score_limit = Bytes{1} << 30);
  ~CudnnAttention();

  /// Operands as in attention_plain.h. False, and nothing is launched, where cuDNN refuses; it refuses a shape in both
  /// directions or in none.
  bool forward(const BFloat16* turned, const BFloat16* qkv, BFloat16* out, float* saved, const AttentionShape& shape,
               Stream stream);
  bool backward(const BFloat16* dout, const BFloat16* turned, const BFloat16* qkv, const BFloat16* out,
                const float* saved, BFloat16* dqkv, float* row_sums, const AttentionShape& shape, Stream stream);

 private:
  struct Library;
  Library& library();  // made when first needed

  std::unique_ptr<Library> library_;
  StreamScratch& scratch_;
  Bytes score_limit_;
};

}  // namespace moesaic::executor::cuda
