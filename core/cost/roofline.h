#pragma once
// Seconds of an operator that nobody measured: the slower of its arithmetic and its memory traffic at an assumed share
// of peak rates.

#include "core/operators/operator.h"
#include "core/schema/cluster.h"

namespace moesaic {

struct Roofline {
  Device device;
  double flops_efficiency = 1;      // share of peak_*_flops_per_s
  double bandwidth_efficiency = 1;  // share of memory_bandwidth_bytes_per_s

  /// max(flops / (peak * efficiency), traffic / (bandwidth * efficiency)). The peak is that of the activations' dtype
  /// for matrix products and the router's (16 bits and fewer: bf16, where the device has it), else f32; weights may be
  /// narrower. For experts: one slot. The gradient of expanded attention is a published multiple of its forward pass.
  Seconds seconds(Op op, StoredAs stored, const OpShape& shape, int64_t rows) const;
};

}  // namespace moesaic
