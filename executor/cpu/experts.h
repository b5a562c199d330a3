#pragma once
// The feed-forward networks of one rank's experts over rows that are grouped by expert slot: y = act(x up^T) down^T,
// where act is GELU, or SwiGLU of an up projection that has the gate's rows first.
// It does not route or exchange; an empty slot costs nothing and its weights are not read.

#include <cstdint>

#include "executor/cpu/linear.h"

namespace moesaic::executor::cpu {

struct ExpertsShape {
  std::int64_t slots = 0, h = 0, f = 0;
  bool gated = false;
  std::int64_t up_width() const { return gated ? 2 * f : f; }
};

// The first call of each operator with a shape makes the primitives of all row counts: about 50 ms.

// What products alone read may stand rounded: Element is float or BFloat16. With BFloat16 precision must be bf16, and
// results have the bits that floats give which the products then round.

// x [rows, h] with rows_per_slot [slots] rows of each slot in turn; up [slots] of [up_width, h]; down [slots] of [h,
// f]. Writes u [rows, up_width] = x up^T, a [rows, f] = act(u) and y [rows, h] = a down^T. Row by row: cutting a slot's
// rows into several calls gives the same bits.
template <typename Element>
void experts_forward(const Element* x, const std::int64_t* rows_per_slot, const Weight* up, const Weight* down,
                     float* u, Element* a, float* y, const ExpertsShape& shape, Precision precision);

// du [rows, up_width] = act'(u) (dy down); dx [rows, h] = du up
template <typename Element>
void experts_dgrad(const Element* dy, const float* u, const std::int64_t* rows_per_slot, const Weight* up,
                   const Weight* down, Element* du, float* dx, const ExpertsShape& shape, Precision precision);

// dup [slots] of [up_width, h] += du^T x; ddown [slots] of [h, f] += dy^T a; pointers of empty slots are not used
template <typename Element>
void experts_wgrad(const Element* dy, const Element* du, const Element* x, const Element* a,
                   const std::int64_t* rows_per_slot, float* const* dup, float* const* ddown, const ExpertsShape& shape,
                   Precision precision);

}  // namespace moesaic::executor::cpu
