#include "executor/cuda/experts.h"

#include "executor/cuda/gelu.h"

namespace moesaic::executor::cuda {
namespace {

/// visit(slot, first row, rows) for every slot that has rows.
template <typename Visit>
void for_each_slot(const int64_t* rows_per_slot, int64_t slots, const Visit& visit) {
  int64_t first = 0;
  for (int64_t slot = 0; slot < slots; first += rows_per_slot[slot++])
    if (rows_per_slot[slot] > 0) visit(slot, first, rows_per_slot[slot]);
}

}  // namespace

void experts_forward(Linear& linear, const float* x, const int64_t* rows_per_slot, const float* up, const float* down,
                     float* u, float* a, float* y, const ExpertsShape& shape, Precision precision, Stream stream) {
  const int64_t h = shape.h, f = shape.f;
  for_each_slot(rows_per_slot, shape.slots, [&](int64_t slot, int64_t first, int64_t rows) {
    linear.forward(x + first * h, up + slot * f * h, u + first * f, rows, f, h, precision, stream);
    gelu_forward(u + first * f, a + first * f, rows * f, stream);
    linear.forward(a + first * f, down + slot * h * f, y + first * h, rows, h, f, precision, stream);
  });
}

void experts_dgrad(Linear& linear, const float* dy, const float* u, const int64_t* rows_per_slot, const float* up,
                   const float* down, float* du, float* dx, const ExpertsShape& shape, Precision precision,
                   Stream stream) {
  const int64_t h = shape.h, f = shape.f;
  for_each_slot(rows_per_slot, shape.slots, [&](int64_t slot, int64_t first, int64_t rows) {
    linear.dgrad(dy + first * h, down + slot * h * f, du + first * f, rows, h, f, precision, stream);
    gelu_backward(du + first * f, u + first * f, du + first * f, rows * f, stream);
    linear.dgrad(du + first * f, up + slot * f * h, dx + first * h, rows, f, h, precision, stream);
  });
}

void experts_wgrad(Linear& linear, const float* dy, const float* du, const float* x, const float* a,
                   const int64_t* rows_per_slot, float* dup, float* ddown, const ExpertsShape& shape,
                   Precision precision, Stream stream) {
  const int64_t h = shape.h, f = shape.f;
  for_each_slot(rows_per_slot, shape.slots, [&](int64_t slot, int64_t first, int64_t rows) {
    linear.wgrad(du + first * f, x + first * h, dup + slot * f * h, rows, f, h, precision, stream);
    linear.wgrad(dy + first * h, a + first * f, ddown + slot * h * f, rows, h, f, precision, stream);
  });
}

}  // namespace moesaic::executor::cuda
