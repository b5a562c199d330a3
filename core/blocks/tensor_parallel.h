#pragma once
// Tensor parallelism in its sequence-parallel form (Megatron-LM, arXiv 2205.05198, section 4.2.2), nothing where tp is
// 1: outside attention and dense FFN every rank works on its own tokens; inside, on its part of the width for the
// tokens of its whole group. Where layout.tp_tokens replicates tokens (Megatron-LM, arXiv 1909.08053, section 3, and
// what engines serve with), all ranks of a group have its tokens everywhere: nothing is gathered forward, and sums are
// all-reduced. Backward each rank then keeps a part of every gradient of a row; the sum over the group is the gradient,
// so that gradients of what all ranks hold alike add up right when they are summed over all ranks.

#include <string>

#include "core/blocks/step_builder.h"

namespace moesaic {

/// `bytes` per rank: what it contributes to a gathering, what it keeps of a scattered sum, all of a sum in place.
void exchange_rows(StepBuilder& b, Op op, const std::string& family, const std::string& what, TensorId from,
                   TensorId to, Bytes bytes);
/// Key-value heads of a rank: its part of them, or one that it shares with its neighbours, where there are fewer than
/// ranks.
int64_t own_kv_heads(const StepBuilder& b);
/// Ranks of a group that have the same ones.
int64_t kv_sharers(const StepBuilder& b);
/// The tokens of a whole group.
RowCount group_tokens(const StepBuilder& b);
/// What its members hold, [rows, row_elements] each, in rank order: backward of replicated rows, the sum of the parts.
TensorId gather_in_group(StepBuilder& b, const std::string& what, TensorId own, int64_t rows, int64_t row_elements,
                         DType dtype);
/// Its members' rows of tokens, in rank order.
TensorId gather_rows(StepBuilder& b, const std::string& what, TensorId own);
/// The sum of its members' partial rows, of which each keeps its own tokens'.
TensorId sum_rows(StepBuilder& b, const std::string& what, TensorId partial);

/// Of replicated rows, which others than tensor-parallel layers have made in parts; the tensor itself where there are
/// none. Forward: the sum, in place. Backward: the gradient of which every rank has a part.
TensorId sum_of_copies(StepBuilder& b, const std::string& what, TensorId partial);
TensorId whole_gradient(StepBuilder& b, const std::string& what, TensorId part);

}  // namespace moesaic
