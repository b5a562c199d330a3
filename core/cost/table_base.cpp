#include "core/cost/table_base.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace moesaic {
namespace {

int64_t in_pieces(int64_t size, int64_t piece) { return (size + piece - 1) / piece; }

OpShape in_tiles_of_keys(Op op, OpShape shape) {
  if (op == Op::attention && !shape.causal_square)
    shape.sequence = in_pieces(shape.sequence, kKeysPerTile) * kKeysPerTile;
  return shape;
}

}  // namespace

bool is_product(Op op) {
  return family_of(op) == Family::products || (family_of(op) == Family::einsum_rows && op != Op::route_masks);
}

bool rows_are_inner(Op op) { return op == Op::linear_wgrad || op == Op::einsum_dispatch; }

Product as_product(Op op, const OpShape& s, int64_t rows) {
  if (rows_are_inner(op)) return {s.n, s.k, rows};
  if (op == Op::linear_dgrad || op == Op::einsum_combine) return {rows, s.k, s.n};
  return {rows, s.n, s.k};
}

Seconds TableBase::waves(const Product& product, TileShape tile, DType operands) const {
  constexpr int64_t kPieces[] = {1, 2, 3, 4, 6, 8, 16};  // as libraries offer them
  const int64_t tiles = in_pieces(product.m, tile.rows) * in_pieces(product.n, tile.columns);
  const double flops_of_k = 2 * static_cast<double>(tile.rows * tile.columns);
  const FlopsPerSecond rate = flops_per_s(operands) / static_cast<double>(device.multiprocessors);
  Seconds least = std::numeric_limits<Seconds>::max();
  for (const int64_t pieces : kPieces) {
    const auto rounds = static_cast<double>(in_pieces(tiles * pieces, device.multiprocessors));
    const Seconds work = rounds * flops_of_k * static_cast<double>(in_pieces(product.k, pieces)) / rate;
    const double sums = pieces > 1 ? 8 * static_cast<double>(pieces * product.m * product.n) : 0;
    least = std::min(least, work + sums / bytes_per_s());
  }
  return least;
}

Seconds TableBase::seconds(Op op, StoredAs stored, DType kernel, const OpShape& of_task, int64_t rows, Seconds floor,
                           TileShape tile) const {
  const OpShape shape = in_tiles_of_keys(op, of_task);
  const DType operands = operands_of(op, stored.activations, kernel);
  const Seconds arithmetic = tile.rows > 0 && device.multiprocessors > 0
                                 ? waves(as_product(op, shape, rows), tile, operands)
                                 : flops_of(op, shape, rows) / flops_per_s(operands);
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

Seconds TableBase::least_of_experts(StoredAs stored, DType kernel, const OpShape& shape, double rows,
                                    double active) const {
  const Seconds weights = traffic_of(Op::experts, shape, 0, 1, stored) / bytes_per_s();
  const Seconds arithmetic = flops_of(Op::experts, shape, 1) / flops_per_s(kernel) * rows / active;
  return kExpertsFloor + active * std::hypot(arithmetic, weights) +
         traffic_of(Op::experts, shape, 1, 0, stored) / bytes_per_s() * rows;
}

}  // namespace moesaic
