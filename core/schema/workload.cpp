#include "core/schema/workload.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace moesaic {

double Optimizer::learning_rate_at(int64_t step) const {
  using Decay = LearningRateSchedule::Decay;
  const auto at = static_cast<double>(step), warmup = static_cast<double>(schedule.warmup_steps),
             end = static_cast<double>(schedule.decay_steps);
  if (at < warmup) return learning_rate * (at + 1) / (warmup + 1);
  if (schedule.decay == Decay::constant) return learning_rate;
  const double least = schedule.min_learning_rate;
  if (at >= end) return least;
  const double passed = (at - warmup) / (end - warmup);
  const double left = schedule.decay == Decay::linear ? 1 - passed : 0.5 * (1 + std::cos(std::numbers::pi * passed));
  return least + (learning_rate - least) * left;
}

float Optimizer::gradient_scale(double norm) const {
  return clips() ? static_cast<float>(std::min(1.0, max_gradient_norm / (norm + 1e-6))) : 1.0f;
}

}  // namespace moesaic
