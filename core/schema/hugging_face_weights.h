#pragma once
// Element types of a Hugging Face configuration's weights, from torch_dtype and quantization_config.

#include "core/schema/hugging_face_config.h"
#include "core/schema/model.h"

namespace moesaic::hugging_face {

/// weight_dtype, expert_dtype, table_dtype. A quantisation that is not known is refused.
void read_weight_types(Config& config, Model& model);

}  // namespace moesaic::hugging_face
