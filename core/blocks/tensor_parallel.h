#pragma once
// Tensor parallelism in its sequence-parallel form (Megatron-LM, arXiv 2205.05198, section 4.2.2), nothing where tp is
// 1: outside attention and dense FFN every rank works on its own tokens; inside, on its part of the width for the
// tokens of its whole group.

#include <string>

#include "core/blocks/step_builder.h"

namespace moesaic {

/// The tokens of a whole group.
RowCount group_tokens(const StepBuilder& b);
/// What its members hold, [rows, row_elements] each, in rank order.
TensorId gather_in_group(StepBuilder& b, const std::string& what, TensorId own, int64_t rows, int64_t row_elements,
                         DType dtype);
/// Its members' rows of tokens, in rank order.
TensorId gather_rows(StepBuilder& b, const std::string& what, TensorId own);
/// The sum of its members' partial rows, of which each keeps its own tokens'.
TensorId sum_rows(StepBuilder& b, const std::string& what, TensorId partial);

}  // namespace moesaic
