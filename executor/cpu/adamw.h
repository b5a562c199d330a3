#pragma once
// The AdamW update of one flat array of parameters.
// It does not decide which parameters decay, and it does not average gradients.

#include <cstdint>

namespace moesaic::executor::cpu {

struct AdamW {
  double lr = 1e-3;
  double b1 = 0.9;
  double b2 = 0.95;
  double eps = 1e-8;
  double decay = 0.1;
  float gradient_scale = 1;  // of g, before anything else
};

// g = gradient_scale g, which is not written; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; w = w - lr ((m / (1-b1^t)) /
// (sqrt(v / (1-b2^t)) + eps) + decay w). All arrays [count]; step t counts from 1; without `decay` the last term is
// left out (norm gains and biases).
void adamw_update(float* w, const float* g, float* m, float* v, std::int64_t count, const AdamW& settings,
                  std::int64_t step, bool decay);

}  // namespace moesaic::executor::cpu
