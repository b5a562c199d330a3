#pragma once
// vLLM's expert load statistics (one JSON object a line, "record_type": "eplb_load_stats", version 1), as a routing of
// one source. Proposed upstream, not released: the form may change.

#include "core/format/imported_routing.h"

namespace moesaic {

/// Every line is an iteration. expert_load is [MoE layers, physical experts] and p2l_map, of the same sizes, names the
/// logical expert of each: the loads of replicas are added up. Throws InputError with the line for other records, other
/// versions, sizes that differ, layers without rows.
ImportedRouting read_vllm_loads(const std::string& text, const std::string& file);

}  // namespace moesaic
