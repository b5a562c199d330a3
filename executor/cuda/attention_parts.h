#pragma once
// How much of a backward pass one run of cuDNN covers, and which shapes it computes rightly. Arithmetic on the host; it
// knows no cuDNN, so it is tested without one.

#include <cstddef>

#include "core/schema/units.h"
#include "executor/launch/attention_shapes.h"

namespace moesaic::executor::cuda {

/// Workspace for the gradients of a part's scores: bf16, padded to tiles of 64.
Bytes score_bytes(const AttentionShape& part);

/// The part that backward runs cover one after the other: whole sequences, or kv heads of one sequence with their query
/// heads. The largest that keeps score_bytes() within `limit`, or the smallest there is. Every part begins at a row of
/// scores whose f32 statistics have a 16-byte boundary, as the engines read them: where sequences have no multiple of 4
/// tokens, parts hold so many rows that it is one, or are not cut at all.
AttentionShape backward_part(const AttentionShape& whole, Bytes limit);

/// Whether this release (cudnnGetVersion()) computes the gradients of such sequences rightly. Up to 9.15.0 it needs a
/// padding mask, which our graphs lack, where they are no multiple of 128 tokens (cudnn-frontend,
/// node/scaled_dot_product_flash_attention.h).
constexpr bool cudnn_gradients_are_right(size_t version, int64_t seq) { return version > 91500 || seq % 128 == 0; }

}  // namespace moesaic::executor::cuda
