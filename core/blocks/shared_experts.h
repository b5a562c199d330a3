#pragma once
// Experts that every token passes through (DeepSeek): a dense FFN beside the routed ones, added to the residual.
// Forward only; nothing where the model has none.

#include "core/blocks/step_builder.h"

namespace moesaic {

void declare_shared_experts(StepBuilder& b);
/// x + shared(normed), or x.
TensorId add_shared_experts(StepBuilder& b, TensorId x, TensorId normed);

}  // namespace moesaic
