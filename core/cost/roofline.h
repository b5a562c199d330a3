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

  /// max(flops / (peak * efficiency), traffic / (bandwidth * efficiency)). Weights may be narrower than activations,
  /// whose dtype decides the peak of matrix products (16 bits and fewer: bf16, where the device has it); all else has
  /// that of f32. For experts: one slot.
  Seconds seconds(Op op, StoredAs stored, const OpShape& shape, int64_t rows) const;
};

}  // namespace moesaic
