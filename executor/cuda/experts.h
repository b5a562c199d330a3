#pragma once
// The feed-forward networks of one rank's experts over rows that are grouped by expert slot: y = gelu(x up^T) down^T,
// and the gradients, on a stream. It does not route or exchange; an empty slot costs nothing and its weights are not
// read. Element is float or BFloat16.

#include <cstdint>

#include "executor/cuda/linear.h"

namespace moesaic::executor::cuda {

struct ExpertsShape {
  int64_t slots = 0, h = 0, f = 0;
};

// rows_per_slot [slots], up [slots] of [f, h] and down [slots] of [h, f] are arrays on the host, of row counts and of
// pointers to the device; they are read before the call returns, and those of empty slots may be null.

// x [rows, h] with rows_per_slot rows of each slot in turn -> u [rows, f] = x up^T, a [rows, f] = gelu(u), y [rows, h]
// = a down^T
template <typename Element>
void experts_forward(Linear& linear, const Element* x, const int64_t* rows_per_slot, const Element* const* up,
                     const Element* const* down, Element* u, Element* a, Element* y, const ExpertsShape& shape,
                     Stream stream);

// du [rows, f] = gelu'(u) (dy down), the product stored in between; dx [rows, h] = du up
template <typename Element>
void experts_dgrad(Linear& linear, const Element* dy, const Element* u, const int64_t* rows_per_slot,
                   const Element* const* up, const Element* const* down, Element* du, Element* dx,
                   const ExpertsShape& shape, Stream stream);

// dup [slots] of [f, h] += du^T x; ddown [slots] of [h, f] += dy^T a
template <typename Element>
void experts_wgrad(Linear& linear, const Element* dy, const Element* du, const Element* x, const Element* a,
                   const int64_t* rows_per_slot, Element* const* dup, Element* const* ddown, const ExpertsShape& shape,
                   Stream stream);

}  // namespace moesaic::executor::cuda
