#pragma once
// Rows in another order: stretches of bytes copied one behind the other, and pieces of columns put together or apart,
// on a stream. It does not know which order is wanted (executor/launch/row_order.h).

#include <span>

#include "core/schema/units.h"
#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

struct CopySegment {
  const void* from = nullptr;
  Bytes bytes = 0;
};

/// to = the segments one behind the other. They stand on the host and are read before the call returns.
void concatenate(std::span<const CopySegment> segments, void* to, Stream stream);

/// Rows of `row_bytes`, one for each of `rows` places on the device: that at place + shift.
struct RepeatSegment {
  const int32_t* places = nullptr;
  int64_t rows = 0, shift = 0;
};

/// to = the rows of the segments one behind the other, copied of `from`. Segments as above.
void repeat_rows(std::span<const RepeatSegment> segments, const void* from, void* to, Bytes row_bytes, Stream stream);

// x [m, parts * piece_bytes] of bytes from pieces [parts, m, piece_bytes]
void join_columns(const void* pieces, void* x, int64_t m, int64_t parts, Bytes piece_bytes, Stream stream);

// The inverse.
void split_columns(const void* x, void* pieces, int64_t m, int64_t parts, Bytes piece_bytes, Stream stream);

}  // namespace moesaic::executor::cuda
