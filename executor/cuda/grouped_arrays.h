#pragma once
// The arrays in device memory from which a grouped kernel reads its problems, and the kernels that fill them on the
// stream. No memory of the host is read after the call, and nothing is copied or waited for.

#include <cstdint>
#include <span>

#include "core/schema/units.h"
#include "executor/cuda/grouped_parts.h"
#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

// d [m, n] = a [m, k] b [k, n]: rows or weights by product, in the words of CUTLASS.
struct GroupedShape {
  int32_t m = 0, n = 0, k = 0;
  bool operator==(const GroupedShape&) const = default;
};

// One element per product of the list. A stride is that between stored rows, in elements.
struct GroupedArrays {
  GroupedShape* shape = nullptr;
  const BFloat16** a = nullptr;
  const BFloat16** b = nullptr;
  BFloat16** d = nullptr;
  int64_t *stride_a = nullptr, *stride_b = nullptr, *stride_d = nullptr;
};

// Slots whose rows lie one behind the other, with row counts that only the device knows: rows of slot i are
// first_row[i] ... first_row[i + 1] - 1 of a and of that which forward and dgrad write or wgrad reads as b; weights or
// their gradients lie one behind the other too, [slots, n, k].
struct GroupedRows {
  const BFloat16* a = nullptr;
  const BFloat16* b = nullptr;
  BFloat16* c = nullptr;
  const int32_t* first_row = nullptr;  // [slots + 1], on the device
  int32_t slots = 0;
};

Bytes grouped_arrays_bytes(int64_t products);
/// Where the arrays lie in a block that starts on a 256-byte boundary.
GroupedArrays grouped_arrays_at(void* block, int64_t products);

void fill_grouped_arrays(const GroupedArrays& arrays, GroupedProduct product, int64_t n, int64_t k,
                         std::span<const GroupedPart> parts, Stream stream);
/// One product per slot; a slot without rows becomes one without output, whose m is 0.
void fill_grouped_arrays(const GroupedArrays& arrays, GroupedProduct product, int64_t n, int64_t k,
                         const GroupedRows& rows, Stream stream);

}  // namespace moesaic::executor::cuda
