#include "executor/cpu/swiglu.h"

#include "executor/cpu/lanes.h"

namespace moesaic::executor::cpu {
namespace {

[[gnu::always_inline]] inline float sigmoid(float x) { return 1.0f / (1.0f + fast_exp(-x)); }

/// write(i, y_i), i < m f
template <typename Write>
[[gnu::always_inline]] inline void forward_rows(const float* gate_up, std::int64_t m, std::int64_t f,
                                                const Write& write) {
  for (std::int64_t row = 0; row < m; ++row) {
    const float *gate = gate_up + row * 2 * f, *up = gate + f;
    for (std::int64_t j = 0; j < f; ++j) write(row * f + j, gate[j] * sigmoid(gate[j]) * up[j]);
  }
}

/// write(i, gradient of gate_up_i), i < 2 m f
template <typename Write>
[[gnu::always_inline]] inline void backward_rows(const float* dy, const float* gate_up, std::int64_t m, std::int64_t f,
                                                 const Write& write) {
  for (std::int64_t row = 0; row < m; ++row) {
    const float *gate = gate_up + row * 2 * f, *up = gate + f, *d = dy + row * f;
    for (std::int64_t j = 0; j < f; ++j) {
      const float s = sigmoid(gate[j]);
      write(row * 2 * f + j, d[j] * up[j] * s * (1.0f + gate[j] * (1.0f - s)));
      write(row * 2 * f + f + j, d[j] * gate[j] * s);
    }
  }
}

}  // namespace

MOESAIC_VECTORISED void swiglu_forward(const float* gate_up, float* y, std::int64_t m, std::int64_t f) {
  forward_rows(gate_up, m, f, [y](std::int64_t i, float value) MOESAIC_INLINED { y[i] = value; });
}

MOESAIC_VECTORISED void swiglu_forward(const float* gate_up, float* y, BFloat16* y16, std::int64_t m, std::int64_t f) {
  forward_rows(gate_up, m, f, [y, y16](std::int64_t i, float value) MOESAIC_INLINED {
    y[i] = value;
    y16[i] = to_bf16(value);
  });
}

MOESAIC_VECTORISED void swiglu_forward(const float* gate_up, BFloat16* y16, std::int64_t m, std::int64_t f) {
  forward_rows(gate_up, m, f, [y16](std::int64_t i, float value) MOESAIC_INLINED { y16[i] = to_bf16(value); });
}

MOESAIC_VECTORISED void swiglu_backward(const float* dy, const float* gate_up, float* dgate_up, std::int64_t m,
                                        std::int64_t f) {
  backward_rows(dy, gate_up, m, f, [dgate_up](std::int64_t i, float value) MOESAIC_INLINED { dgate_up[i] = value; });
}

MOESAIC_VECTORISED void swiglu_backward(const float* dy, const float* gate_up, float* dgate_up, BFloat16* dgate_up16,
                                        std::int64_t m, std::int64_t f) {
  backward_rows(dy, gate_up, m, f, [dgate_up, dgate_up16](std::int64_t i, float value) MOESAIC_INLINED {
    dgate_up[i] = value;
    dgate_up16[i] = to_bf16(value);
  });
}

MOESAIC_VECTORISED void swiglu_backward(const float* dy, const float* gate_up, BFloat16* dgate_up16, std::int64_t m,
                                        std::int64_t f) {
  backward_rows(dy, gate_up, m, f,
                [dgate_up16](std::int64_t i, float value) MOESAIC_INLINED { dgate_up16[i] = to_bf16(value); });
}

}  // namespace moesaic::executor::cpu
