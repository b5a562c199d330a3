#pragma once
// Attention and its gradient on rotated q and k as graphs of cuDNN. The patterns are those that its fused engines know:
// each operation of the formula by itself, in the order of cudnn-frontend's node/scaled_dot_product_flash_attention.h.
// Used only where MOESAIC_HAVE_CUDNN is defined.

#include <vector>

#include "executor/cuda/cudnn_graph.h"
#include "executor/launch/attention_shapes.h"

namespace moesaic::executor::cuda {

/// The sequences and heads that one run covers, as a part of the arrays of a whole shape: both must have the same seq
/// and head_dim, and a part of several sequences has all heads.
struct AttentionPart {
  AttentionShape part, whole;
};

struct AttentionGraph {
  CudnnGraph graph;
  std::vector<int64_t> operands;  // ids in the order of forward_graph() or backward_graph()
};

/// q, k [part.batch * seq rows of whole.turned_columns], v [.. qkv_columns], out [.. out_columns], saved, all at the
/// part's first element; by value: scale, minus infinity.
AttentionGraph forward_graph(const AttentionPart& shape);

/// q, k, v, out, dout, saved, row sums of dout * out [batch, heads, seq] (scratch), dq, dk, dv (in packed rows), all at
/// the part's first element; by value: scale, minus infinity, one. The gradient of the scores goes through the
/// workspace, so that dq is summed in a fixed order: score_bytes() of it (attention_parts.h).
AttentionGraph backward_graph(const AttentionPart& shape);

}  // namespace moesaic::executor::cuda
