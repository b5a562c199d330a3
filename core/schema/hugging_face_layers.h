#pragma once
// What each layer of a Hugging Face configuration is: with experts or dense; attention to all keys, to a window, or a
// recurrence.

#include "core/schema/hugging_face_config.h"
#include "core/schema/hugging_face_families.h"

namespace moesaic::hugging_face {

/// model.moe_layers.
void read_moe_layers(Config& config, const Family& family, Model& model);

/// sliding_window, windowed_layers, recurrent, sparse_keys; and of left_out the indexer. Needs heads and widths.
void read_sight(Config& config, const Family& family, Model& model);

}  // namespace moesaic::hugging_face
