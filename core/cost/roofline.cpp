#include "core/cost/roofline.h"

#include <algorithm>

namespace moesaic {
namespace {

bool multiplies(Op op) {
  return is_matrix_product(op) || family_of(op) == Family::router || family_of(op) == Family::einsum_rows;
}

}  // namespace

FlopsPerSecond product_peak(const Device& device, DType operands) {
  if (operands == DType::fp8 && device.peak_fp8_flops_per_s > 0) return device.peak_fp8_flops_per_s;
  if (operands == DType::nvfp4 && device.peak_fp4_flops_per_s > 0) return device.peak_fp4_flops_per_s;
  const bool narrow = bits_per_element(operands) <= 16 && device.peak_bf16_flops_per_s > 0;
  return narrow ? device.peak_bf16_flops_per_s : device.peak_f32_flops_per_s;
}

DType operands_of(Op op, DType activations, DType kernel) {
  const bool has_weights = family_of(op) == Family::products || is_experts(op);
  return has_weights && activations != DType::f32 ? kernel : activations;
}

Seconds Roofline::seconds(Op op, StoredAs stored, const OpShape& shape, int64_t rows) const {
  if (op == Op::expanded_attention_backward)
    return kExpandedBackwardOverForward * seconds(Op::expanded_attention, stored, shape, rows);
  const FlopsPerSecond peak = multiplies(op) ? product_peak(device, operands_of(op, stored.activations, stored.weights))
                                             : device.peak_f32_flops_per_s;
  return std::max(
      flops_of(op, shape, rows) / (peak * flops_efficiency),
      traffic_of(op, shape, rows, 1, stored) / (device.memory_bandwidth_bytes_per_s * bandwidth_efficiency));
}

}  // namespace moesaic
