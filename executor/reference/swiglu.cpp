#include "executor/reference/swiglu.h"

#include <cmath>

namespace moesaic::executor::reference {
namespace {

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

}  // namespace

void swiglu_forward(const double* gate_up, double* y, std::int64_t m, std::int64_t f) {
  for (std::int64_t row = 0; row < m; ++row)
    for (std::int64_t j = 0; j < f; ++j) {
      const double gate = gate_up[row * 2 * f + j], up = gate_up[row * 2 * f + f + j];
      y[row * f + j] = gate * sigmoid(gate) * up;
    }
}

// d silu(x) / dx = s + x s (1 - s) with s = sigmoid(x)
void swiglu_backward(const double* dy, const double* gate_up, double* dgate_up, std::int64_t m, std::int64_t f) {
  for (std::int64_t row = 0; row < m; ++row)
    for (std::int64_t j = 0; j < f; ++j) {
      const double gate = gate_up[row * 2 * f + j], up = gate_up[row * 2 * f + f + j], s = sigmoid(gate);
      dgate_up[row * 2 * f + j] = dy[row * f + j] * up * (s + gate * s * (1.0 - s));
      dgate_up[row * 2 * f + f + j] = dy[row * f + j] * gate * s;
    }
}

}  // namespace moesaic::executor::reference
