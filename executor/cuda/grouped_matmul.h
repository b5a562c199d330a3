#pragma once
// The matrix products of all expert slots in one call: each slot has its own weights w [n, k] and its own number of
// rows, n and k are the same for all. It groups no rows, applies no activation, and knows nothing of experts.

#include <cstdint>
#include <span>

#include "executor/cuda/linear.h"
#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

// All matrices row-major and dense.
enum class GroupedProduct {
  forward,  // c [rows, n]  = a [rows, k] b [n, k]^T
  dgrad,    // c [rows, k]  = a [rows, n] b [n, k]
  wgrad,    // c [n, k]    += a [rows, n]^T b [rows, k]
};

/// Of one slot. Without rows it is passed over: its pointers may be null, and c of a wgrad stays as it is.
template <typename Element>
struct GroupedProblem {
  const Element* a = nullptr;
  const Element* b = nullptr;
  Element* c = nullptr;
  int64_t rows = 0;
};

/// Element is float or BFloat16; sums are f32, rounded once, in a fixed order: the same call leaves the same bits. No
/// two problems may write the same c. `problems` stands on the host and is read before the call returns; the work is
/// appended to `stream` without waiting for it.
template <typename Element>
void grouped_matmul(Linear& linear, GroupedProduct product, int64_t n, int64_t k,
                    std::span<const GroupedProblem<Element>> problems, Stream stream);

}  // namespace moesaic::executor::cuda
