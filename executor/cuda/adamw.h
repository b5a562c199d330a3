#pragma once
// The AdamW update of many flat arrays in one launch; it clears the gradients in the same pass.
// It does not decide which parameters decay, and it does not average gradients. Element: float, BFloat16; Gradient:
// Element, or float.

#include <cstdint>
#include <span>
#include <type_traits>

#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

struct AdamW {
  double lr = 1e-3;
  double b1 = 0.9;
  double b2 = 0.95;
  double eps = 1e-8;
  double decay = 0.1;
  float gradient_scale = 1;  // of g, before anything else
};

// All arrays [count] on the device. The master weight is what is updated; w is its rounded copy, or the same array
// where Element is float.
template <typename Element, typename Gradient = Element>
struct AdamWParameter {
  Element* w;
  Gradient* g;
  float *m, *v, *master;
  int64_t count;
  bool decay;
};

// g = gradient_scale g; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; w = w - lr ((m / (1-b1^t)) / (sqrt(v / (1-b2^t)) +
// eps) + decay w); g = 0. Step t counts from 1; without `decay` the last term is left out (norm gains and biases). One
// launch per 512 parameters.
template <typename Element, typename Gradient = Element>
void adamw_update(std::type_identity_t<std::span<const AdamWParameter<Element, Gradient>>> parameters,
                  const AdamW& settings, int64_t step, Stream stream);

}  // namespace moesaic::executor::cuda
