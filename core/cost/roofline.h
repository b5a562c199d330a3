#pragma once
// Seconds of an operator that nobody measured: the slower of its arithmetic and its memory traffic at an assumed share
// of peak rates.

#include "core/operators/operator.h"
#include "core/schema/cluster.h"

namespace moesaic {

/// Backward over forward of attention with queries and keys of 192 and values of 128. Published: 3.6 to 3.9 ms against
/// 1.20 to 1.28 ms per layer in DeepSeek-V3's training trace (deepseek-ai/profile-data, train.json; H800, 4,096
/// tokens). Its products alone say 832 / 320 = 2.6: the gradient's kernels are slower per operation.
inline constexpr double kExpandedBackwardOverForward = 3.0;

/// Peak rate of products of operands of a dtype: fp8 and nvfp4 where the device multiplies in them; other narrow ones
/// are widened to bf16 first, and that to f32 where there is no rate for it.
FlopsPerSecond product_peak(const Device& device, DType operands);

/// In what a product multiplies: a kernel for weights of `kernel`'s dtype rounds activations to it, unless they are
/// f32; what meets no weights (attention, products by head), and the router, keeps the activations' dtype.
DType operands_of(Op op, DType activations, DType kernel);

struct Roofline {
  Device device;
  double flops_efficiency = 1;      // share of peak_*_flops_per_s
  double bandwidth_efficiency = 1;  // share of memory_bandwidth_bytes_per_s

  /// max(flops / (peak * efficiency), traffic / (bandwidth * efficiency)). The peak is product_peak() of operands_of()
  /// for matrix products and the router's, else f32. For experts: one slot. The gradient of expanded attention is a
  /// published multiple of its forward pass.
  Seconds seconds(Op op, StoredAs stored, const OpShape& shape, int64_t rows) const;
};

}  // namespace moesaic
