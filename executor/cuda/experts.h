#pragma once
// The feed-forward networks of one rank's experts over rows that are grouped by expert slot: y = act(x up^T) down^T,
// and the gradients, on a stream, where act is GELU, or SwiGLU of an up projection that has the gate's rows first. It
// does not route or exchange; an empty slot costs nothing and its weights are not read. Element is float or BFloat16.

#include <cstdint>

#include "executor/cuda/linear.h"

namespace moesaic::executor::cuda {

struct ExpertsShape {
  int64_t slots = 0, h = 0, f = 0;
  bool gated = false;
  int64_t up_width() const { return gated ? 2 * f : f; }
};

// rows_per_slot [slots], up [slots] of [up_width, h] and down [slots] of [h, f] are arrays on the host, of row counts
// and of pointers to the device; they are read before the call returns, and those of empty slots may be null.

// x [rows, h] with rows_per_slot rows of each slot in turn -> u [rows, up_width] = x up^T, a [rows, f] = act(u), y
// [rows, h] = a down^T
template <typename Element>
void experts_forward(Linear& linear, const Element* x, const int64_t* rows_per_slot, const Element* const* up,
                     const Element* const* down, Element* u, Element* a, Element* y, const ExpertsShape& shape,
                     Stream stream);

// du [rows, up_width] = act'(u) (dy down), the product stored in between; dx [rows, h] = du up
template <typename Element>
void experts_dgrad(Linear& linear, const Element* dy, const Element* u, const int64_t* rows_per_slot,
                   const Element* const* up, const Element* const* down, Element* du, Element* dx,
                   const ExpertsShape& shape, Stream stream);

// dup [slots] of [up_width, h] += du^T x; ddown [slots] of [h, f] += dy^T a
template <typename Element>
void experts_wgrad(Linear& linear, const Element* dy, const Element* du, const Element* x, const Element* a,
                   const int64_t* rows_per_slot, Element* const* dup, Element* const* ddown, const ExpertsShape& shape,
                   Stream stream);

}  // namespace moesaic::executor::cuda
