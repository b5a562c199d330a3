#include "executor/reference/adamw.h"

#include <cmath>

namespace moesaic::executor::reference {

void adamw_update(double* w, const double* g, double* m, double* v, std::int64_t count, const AdamW& settings,
                  std::int64_t step, bool decay) {
  const auto [lr, b1, b2, eps, rate, scale] = settings;
  const auto t = static_cast<double>(step);
  for (std::int64_t i = 0; i < count; ++i) {
    const double gradient = scale * g[i];
    m[i] = b1 * m[i] + (1.0 - b1) * gradient;
    v[i] = b2 * v[i] + (1.0 - b2) * gradient * gradient;
    const double m_hat = m[i] / (1.0 - std::pow(b1, t)), v_hat = v[i] / (1.0 - std::pow(b2, t));
    w[i] -= lr * (m_hat / (std::sqrt(v_hat) + eps) + (decay ? rate * w[i] : 0.0));
  }
}

}  // namespace moesaic::executor::reference
