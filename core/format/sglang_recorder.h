#pragma once
// What SGLang's expert distribution recorder dumps in mode "stat", as JSON, as a routing of one source. The recorder
// itself writes a torch file; docs/routing_imports.md has the line that converts it.

#include "core/format/imported_routing.h"

namespace moesaic {

/// logical_count is [steps, layers, experts] or [layers, experts], over all decoder layers: those that never have rows
/// are dense and are passed over, and so are steps in which no layer has rows. Throws InputError for sizes that differ
/// and for steps in which some MoE layers have rows and others none.
ImportedRouting read_sglang_recorder(const Json& json, const std::string& file);

}  // namespace moesaic
