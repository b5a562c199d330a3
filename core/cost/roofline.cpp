#include "core/cost/roofline.h"

#include <algorithm>

namespace moesaic {
namespace {

bool is_product(Op op) { return is_matrix_product(op) || family_of(op) == Family::router; }

}  // namespace

Seconds Roofline::seconds(Op op, StoredAs stored, const OpShape& shape, int64_t rows) const {
  if (op == Op::expanded_attention_backward)
    return kExpandedBackwardOverForward * seconds(Op::expanded_attention, stored, shape, rows);
  const bool narrow = is_product(op) && bits_per_element(stored.activations) <= 16 && device.peak_bf16_flops_per_s > 0;
  const FlopsPerSecond peak = narrow ? device.peak_bf16_flops_per_s : device.peak_f32_flops_per_s;
  return std::max(
      flops_of(op, shape, rows) / (peak * flops_efficiency),
      traffic_of(op, shape, rows, 1, stored) / (device.memory_bandwidth_bytes_per_s * bandwidth_efficiency));
}

}  // namespace moesaic
