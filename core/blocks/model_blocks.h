#pragma once
// Which blocks a model is made of. A family of models is a choice of blocks.

#include <memory>
#include <string>
#include <vector>

#include "core/blocks/block.h"

namespace moesaic {

/// Of one place in the model: its embedding (-1), a layer, its head (num_layers). In the order of forward.
std::vector<std::unique_ptr<Block>> blocks_at(const Model& model, int place);

/// What of a model no block computes, so that no price would be one of that model; "": nothing.
std::string unlowered_part(const Model& model);

/// Where tasks of a place belong to. The embedding and the head stand outside the layers, in the first and the last
/// stage of a pipeline.
Scope scope_at(const StepBuilder& b, Phase phase, int place, int microbatch);

}  // namespace moesaic
