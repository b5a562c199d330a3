#include "executor/runtime/initial_values.h"

#include <algorithm>
#include <cmath>

#include "core/schema/hash.h"

namespace moesaic::executor {

void fill_uniform(const std::string& name, uint64_t seed, float* out, int64_t count) {
  const uint64_t key = splitmix64(fnv1a64(name) ^ seed);
  for (int64_t i = 0; i < count; ++i) {
    const double u =
        static_cast<double>(splitmix64(key + static_cast<uint64_t>(i)) >> 40) / static_cast<double>(1 << 24);
    out[i] = static_cast<float>((2 * u - 1) * std::sqrt(3.0) * 0.02);
  }
}

void initialise(const TaskGraph& graph, const Parameter& parameter, int position, uint64_t seed, int64_t hidden,
                float* out) {
  if (parameter.moe_layer >= 0) {  // "layers.3.experts.up" -> "layers.3.experts.<e>.up"
    const ExpertPlacement& placement = graph.placement[static_cast<size_t>(parameter.moe_layer)];
    const size_t dot = parameter.name.rfind('.');
    for (int slot = 0; slot < placement.slots_per_rank; ++slot) {
      const int expert = placement.slot_to_expert[static_cast<size_t>(position * placement.slots_per_rank + slot)];
      fill_uniform(parameter.name.substr(0, dot) + "." + std::to_string(expert) + parameter.name.substr(dot), seed,
                   out + slot * parameter.slot_elements, parameter.slot_elements);
    }
  } else if (!parameter.decay) {
    std::fill(out, out + hidden, 1.0f);
    std::fill(out + hidden, out + parameter.elements, 0.0f);
  } else {
    fill_uniform(parameter.name, seed, out, parameter.elements);
  }
}

}  // namespace moesaic::executor
