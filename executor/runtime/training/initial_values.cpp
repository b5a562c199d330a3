#include "executor/runtime/training/initial_values.h"

#include <algorithm>
#include <cmath>

#include "core/schema/hash.h"

namespace moesaic::executor {

void fill_uniform(const std::string& name, uint64_t seed, int64_t begin, float* out, int64_t count) {
  const uint64_t key = splitmix64(fnv1a64(name) ^ seed);
  for (int64_t i = 0; i < count; ++i) {
    const double u =
        static_cast<double>(splitmix64(key + static_cast<uint64_t>(begin + i)) >> 40) / static_cast<double>(1 << 24);
    out[i] = static_cast<float>((2 * u - 1) * std::sqrt(3.0) * 0.02);
  }
}

void initialise(const Piece& piece, bool norm, int64_t num_gains, uint64_t seed, float* local) {
  for (int64_t r = 0; r < piece.runs; ++r) {
    const int64_t begin = piece.logical_offset + r * piece.logical_stride;
    float* out = local + piece.local_offset + r * piece.local_stride;
    if (!norm) {
      fill_uniform(piece.tensor, seed, begin, out, piece.run);
      continue;
    }
    for (int64_t i = 0; i < piece.run; ++i) out[i] = begin + i < num_gains ? 1.0f : 0.0f;
  }
}

}  // namespace moesaic::executor
