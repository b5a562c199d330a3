#pragma once
// Values to compute with: uniform, the same in every run. They are not a model's initial values.

#include <cstdint>

#include "executor/backend/backend.h"

namespace moesaic::executor {

/// Uniform in [-half_width, half_width), another series for every tensor and seed.
void fill(const Operand& operand, uint64_t seed, float half_width);

}  // namespace moesaic::executor
