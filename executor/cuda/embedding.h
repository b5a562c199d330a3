#pragma once
// Looks token vectors up in the embedding table and adds their gradients back, on a stream.
// It does not check tokens: the data loader promises 0 <= token < v. Element: float, BFloat16.

#include <cstdint>

#include "executor/cuda/stream.h"
#include "executor/cuda/stream_scratch.h"

namespace moesaic::executor::cuda {

// x [m, h] = table [v, h] at rows tokens [m]
template <typename Element>
void embedding_forward(const int32_t* tokens, const Element* table, Element* x, int64_t m, int64_t h, Stream stream);

// dtable [v, h] at rows tokens [m] += dx [m, h]. Repeated tokens are summed in f32 in their order, and rounded once.
template <typename Element>
void embedding_backward(const int32_t* tokens, const Element* dx, Element* dtable, int64_t m, int64_t h, int64_t v,
                        StreamScratch& scratch, Stream stream);

// Columns of a row stand with the rank that holds them, equally many with each. x [m, parts, h / parts] = pieces
// [parts, m, h / parts], and back.
template <typename Element>
void join_columns(const Element* pieces, Element* x, int64_t m, int64_t h, int64_t parts, Stream stream);
template <typename Element>
void split_columns(const Element* x, Element* pieces, int64_t m, int64_t h, int64_t parts, Stream stream);

}  // namespace moesaic::executor::cuda
