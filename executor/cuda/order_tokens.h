#pragma once
// Sorts the tokens of a microbatch, so that equal ones stand side by side. It stands apart because it is a library's.

#include <cstdint>

#include "executor/cuda/stream.h"
#include "executor/cuda/stream_scratch.h"

namespace moesaic::executor::cuda {

struct TokenOrder {
  const int32_t *tokens, *positions;  // [m]: ascending; where each stood, ascending too among equal tokens
};

/// tokens [m], 0 <= token < vocabulary. The result lies in scratch until the next call on the stream.
TokenOrder order_tokens(const int32_t* tokens, int64_t m, int64_t vocabulary, StreamScratch& scratch, Stream stream);

}  // namespace moesaic::executor::cuda
