#pragma once
// What measured kernels are compared with, so that only their deviation is interpolated between shapes: a launch, and
// arithmetic and traffic in quadrature. It is no price by itself.

#include <span>

#include "core/cost/roofline.h"
#include "core/schema/kernel_tables.h"

namespace moesaic {

/// Shares of the peak rates that large kernels reach. They stand on both sides of every reading, so they decide only
/// where arithmetic takes over from traffic between two measured points. Origin: the H200's large bf16 products reach
/// 0.70 to 0.78 of 989 TFLOP/s and its smallest read weights at 0.80 to 0.88 of 4.8 TB/s (TensorRT-LLM 1.3.0rc20, in
/// aiconfigurator-core 0.12.0).
inline constexpr double kTableFlopsShare = 0.75, kTableBandwidthShare = 0.85;

/// Dense products and those with masks.
bool is_product(Op op);
/// wgrad, and what goes from tokens to rows of experts: the rows of the task are summed over.
bool rows_are_inner(Op op);

/// A product as y [m, n] = x [m, k] w: dgrad is dx [m, k] = dy [m, n] w, and wgrad dw [n, k] = dy^T x with the rows as
/// inner dimension.
struct Product {
  int64_t m, n, k;
};
Product as_product(Op op, const OpShape& shape, int64_t rows);

/// Keys that a kernel of decode attention reads at a time: its times do not change between 2 keys and 128 (TensorRT-LLM
/// 1.3.0rc20, H200).
inline constexpr int64_t kKeysPerTile = 128;

struct TableBase {
  Device device;

  /// floor + sqrt(arithmetic^2 + traffic^2). Products have the rate of a kernel for weights of `kernel`'s dtype; those
  /// of a family whose kernel has a tile take whole waves(). Decode attention reads whole tiles of keys.
  Seconds seconds(Op op, StoredAs stored, DType kernel, const OpShape& shape, int64_t rows, Seconds floor,
                  TileShape tile = {}) const;

  /// Arithmetic of a product as tiles of its result, of which every multiprocessor makes one at a time, and where tiles
  /// are few, pieces of them along k whose sums are added up in memory: the least over numbers s of pieces of
  ///     ceil(s tiles / multiprocessors) * 2 tile ceil(k / s) / rate of one + 8 s m n / bandwidth       (s > 1)
  Seconds waves(const Product& product, TileShape tile, DType operands) const;

  /// The routed experts of one GPU: kExpertsFloor + over slots with rows, sqrt(arithmetic^2 + traffic^2), where a
  /// slot's rows fill whole tiles and its weights are read once, + the traffic of all rows. slot_rows: [slots].
  Seconds experts(StoredAs stored, DType kernel, const OpShape& shape, std::span<const int64_t> slot_rows) const;

  /// No such vector takes less that has `rows` rows in `active` slots at least, whole or not: tiles are taken for full,
  /// and rows for even, as hypot() is convex.
  Seconds least_of_experts(StoredAs stored, DType kernel, const OpShape& shape, double rows, double active) const;

  FlopsPerSecond flops_per_s(DType operands) const { return product_peak(device, operands) * kTableFlopsShare; }
  BytesPerSecond bytes_per_s() const { return device.memory_bandwidth_bytes_per_s * kTableBandwidthShare; }
};

/// Rows that one tile of a grouped product covers (CUTLASS and Triton kernels of both engines use 64 or 128).
inline constexpr int64_t kRowsPerTile = 128;

/// What a launch of all kernels of a layer's experts takes without work: the least of the tables is 25 us, their
/// weights' reading included (one token, Qwen3-30B, EP8).
inline constexpr Seconds kExpertsFloor = 20e-6;

}  // namespace moesaic
