#pragma once
// The feed-forward networks of one rank's experts over rows that are grouped by expert slot: y = gelu(x up^T) down^T.
// A loop of products per slot on one stream: row counts are known to the host. It does not route or exchange.

#include <cstdint>

#include "executor/cuda/linear.h"

namespace moesaic::executor::cuda {

struct ExpertsShape {
  int64_t slots = 0, h = 0, f = 0;
};

// x [rows, h] on the device with rows_per_slot [slots] (on the host) rows of each slot in turn; up [slots, f, h]; down
// [slots, h, f]. Writes u [rows, f] = x up^T, a [rows, f] = gelu(u) and y [rows, h] = a down^T.
void experts_forward(Linear& linear, const float* x, const int64_t* rows_per_slot, const float* up, const float* down,
                     float* u, float* a, float* y, const ExpertsShape& shape, Precision precision, Stream stream);

// du [rows, f] = gelu'(u) (dy down); dx [rows, h] = du up
void experts_dgrad(Linear& linear, const float* dy, const float* u, const int64_t* rows_per_slot, const float* up,
                   const float* down, float* du, float* dx, const ExpertsShape& shape, Precision precision,
                   Stream stream);

// dup [slots, f, h] += du^T x; ddown [slots, h, f] += dy^T a
void experts_wgrad(Linear& linear, const float* dy, const float* du, const float* x, const float* a,
                   const int64_t* rows_per_slot, float* dup, float* ddown, const ExpertsShape& shape,
                   Precision precision, Stream stream);

}  // namespace moesaic::executor::cuda
