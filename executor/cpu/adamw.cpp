#include "executor/cpu/adamw.h"

#include <cmath>

#include "executor/cpu/lanes.h"

namespace moesaic::executor::cpu {
namespace {

struct Factors {
  float b1, new_b1, b2, new_b2, m_scale, v_scale, eps, lr, decay, gradient_scale;
};

MOESAIC_VECTORISED void update(float* __restrict w, const float* __restrict g, float* __restrict m, float* __restrict v,
                               std::int64_t count, const Factors& given) {
  const Factors f = given;
  for (std::int64_t i = 0; i < count; ++i) {
    const float gradient = f.gradient_scale * g[i];
    m[i] = f.b1 * m[i] + f.new_b1 * gradient;
    v[i] = f.b2 * v[i] + f.new_b2 * (gradient * gradient);
    const float direction = (m[i] * f.m_scale) / (fast_sqrt(v[i] * f.v_scale) + f.eps);
    w[i] -= f.lr * (direction + f.decay * w[i]);
  }
}

}  // namespace

void adamw_update(float* w, const float* g, float* m, float* v, std::int64_t count, const AdamW& settings,
                  std::int64_t step, bool decay) {
  const auto t = static_cast<double>(step);
  const auto f32 = [](double x) { return static_cast<float>(x); };
  update(w, g, m, v, count,
         {f32(settings.b1), f32(1.0 - settings.b1), f32(settings.b2), f32(1.0 - settings.b2),
          f32(1.0 / (1.0 - std::pow(settings.b1, t))), f32(1.0 / (1.0 - std::pow(settings.b2, t))), f32(settings.eps),
          f32(settings.lr), decay ? f32(settings.decay) : 0.0f, settings.gradient_scale});
}

}  // namespace moesaic::executor::cpu
