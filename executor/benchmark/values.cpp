#include "executor/benchmark/values.h"

#include "core/schema/hash.h"

namespace moesaic::executor {

void fill(const Operand& operand, uint64_t seed, float half_width) {
  const uint64_t key = splitmix64(splitmix64(static_cast<uint64_t>(operand.tensor)) ^ seed);
  for (int64_t i = 0; i < operand.elements(); ++i) {
    const auto bits = static_cast<float>(splitmix64(key + static_cast<uint64_t>(i)) >> 40);  // 24 bits
    operand.f32()[i] = half_width * (bits * 0x1p-23f - 1.0f);
  }
}

}  // namespace moesaic::executor
