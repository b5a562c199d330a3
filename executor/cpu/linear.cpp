#include "executor/cpu/linear.h"

#include "executor/cpu/scratch.h"

namespace moesaic::executor::cpu {
namespace {

void multiply_by_weight(const float* x, Weight w, float* y, const MatmulShape& shape, Precision precision) {
  if (precision == Precision::f32 || w.bf16 == nullptr) return matmul(x, w.f32, y, shape, precision);
  thread_local Scratch<BFloat16> scratch;
  BFloat16* rounded = scratch.of_size(shape.m * shape.k);
  round_to_bf16(x, rounded, shape.m * shape.k);
  matmul(rounded, w.bf16, y, shape);
}

}  // namespace

void linear_forward(const float* x, Weight w, float* y, std::int64_t m, std::int64_t n, std::int64_t k,
                    Precision precision) {
  multiply_by_weight(x, w, y, {m, n, k, Transpose::no, Transpose::yes, false, 0, 0, 0}, precision);
}

void linear_dgrad(const float* dy, Weight w, float* dx, std::int64_t m, std::int64_t n, std::int64_t k,
                  Precision precision, bool accumulate) {
  multiply_by_weight(dy, w, dx, {m, k, n, Transpose::no, Transpose::no, accumulate, 0, 0, 0}, precision);
}

void linear_wgrad(const float* dy, const float* x, float* dw, std::int64_t m, std::int64_t n, std::int64_t k,
                  Precision precision) {
  matmul(dy, x, dw, {n, k, m, Transpose::yes, Transpose::no, true, 0, 0, 0}, precision);
}

}  // namespace moesaic::executor::cpu
