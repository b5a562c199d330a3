#include "core/cost/table_base.h"

#include <cmath>

namespace moesaic {

FlopsPerSecond TableBase::flops_per_s(DType computed_in) const {
  constexpr double kBf16Bits = 16;
  const double bits = bits_per_element(computed_in);
  const FlopsPerSecond peak = bits <= kBf16Bits ? device.peak_bf16_flops_per_s : device.peak_f32_flops_per_s;
  return peak * kTableFlopsShare * (bits < kBf16Bits ? kBf16Bits / bits : 1);
}

Seconds TableBase::seconds(Op op, StoredAs stored, DType computed_in, const OpShape& shape, int64_t rows,
                           Seconds floor) const {
  const bool product = family_of(op) == Family::products;
  const Seconds arithmetic = flops_of(op, shape, rows) / flops_per_s(product ? computed_in : stored.activations);
  return floor + std::hypot(arithmetic, traffic_of(op, shape, rows, 1, stored) / bytes_per_s());
}

Seconds TableBase::experts(StoredAs stored, DType computed_in, const OpShape& shape,
                           std::span<const int64_t> slot_rows) const {
  const Seconds weights = traffic_of(Op::experts, shape, 0, 1, stored) / bytes_per_s();
  Seconds total = kExpertsFloor;
  int64_t all_rows = 0;
  for (const int64_t rows : slot_rows) {
    if (rows <= 0) continue;
    const int64_t in_tiles = (rows + kRowsPerTile - 1) / kRowsPerTile * kRowsPerTile;
    total += std::hypot(flops_of(Op::experts, shape, in_tiles) / flops_per_s(computed_in), weights);
    all_rows += rows;
  }
  return total + traffic_of(Op::experts, shape, all_rows, 0, stored) / bytes_per_s();
}

}  // namespace moesaic
