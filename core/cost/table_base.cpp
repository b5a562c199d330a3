#include "core/cost/table_base.h"

#include <cmath>

namespace moesaic {

Seconds TableBase::seconds(Op op, StoredAs stored, DType kernel, const OpShape& shape, int64_t rows,
                           Seconds floor) const {
  const Seconds arithmetic = flops_of(op, shape, rows) / flops_per_s(operands_of(op, stored.activations, kernel));
  return floor + std::hypot(arithmetic, traffic_of(op, shape, rows, 1, stored) / bytes_per_s());
}

Seconds TableBase::experts(StoredAs stored, DType kernel, const OpShape& shape,
                           std::span<const int64_t> slot_rows) const {
  const Seconds weights = traffic_of(Op::experts, shape, 0, 1, stored) / bytes_per_s();
  Seconds total = kExpertsFloor;
  int64_t all_rows = 0;
  for (const int64_t rows : slot_rows) {
    if (rows <= 0) continue;
    const int64_t in_tiles = (rows + kRowsPerTile - 1) / kRowsPerTile * kRowsPerTile;
    total += std::hypot(flops_of(Op::experts, shape, in_tiles) / flops_per_s(kernel), weights);
    all_rows += rows;
  }
  return total + traffic_of(Op::experts, shape, all_rows, 0, stored) / bytes_per_s();
}

}  // namespace moesaic
