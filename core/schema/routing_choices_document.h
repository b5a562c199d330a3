#pragma once
// The part "choices" of a routing document: who chose what.
//
//   {"num_experts": 64, "tokens": [[2, 1]], "experts": [[[3, 9], [0, 7]], ...], "scores": [[[0.7, 0.3], ...], ...]}
//
// tokens [iteration, source] says how many; experts and scores are [tokens, moe layers, top_k], tokens in the order of
// iterations and within one of sources.

#include "core/schema/documents.h"
#include "core/schema/object_reader.h"

namespace moesaic {

/// Fills in what `routing` does not know from its counts, which the choices have to agree with. `counts` is where they
/// stand.
void read_choices(const Field& choices, const Field& counts, RoutingDocument& routing);
Json write_choices(const RoutingDocument& routing);

}  // namespace moesaic
