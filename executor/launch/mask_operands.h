#pragma once
// Tasks that multiply with masks of routes, unpacked. Masks are of all tokens of a microbatch: there are no chunks.

#include "executor/launch/chunk_route.h"

namespace moesaic::executor {

/// Rows that a token sends: one for every slice of every choice's expert.
inline int64_t rows_per_token(const ChunkRoute& c) { return c.top_k * c.slices; }

}  // namespace moesaic::executor
