#include "core/cost/tile_choice.h"

#include <gtest/gtest.h>

#include "tests/core/cost/sample_tables.h"

namespace moesaic {
namespace {

constexpr TileShape kTile = {128, 256};

/// 10 multiprocessors of 1e13 bf16 flop/s each, of which a kernel's base takes 0.75; 1 TB/s, of which it takes 0.85.
TableBase base_of_ten() {
  TableBase base{sample_gpu()};
  base.device.multiprocessors = 10;
  return base;
}

// A tile is 2 * 128 * 256 flops along k. 256 x 2560 are 20 of them, two rounds of k = 64; 256 x 2816 are 22, three. To
// cut k in two would take 5 rounds of half as much, but write and read 8 * 2 * 256 * 2816 bytes of sums.
TEST(TableBase, CountsWholeWavesOfTiles) {
  const TableBase base = base_of_ten();
  const double round = 2.0 * 128 * 256 * 64 / 7.5e12;
  EXPECT_DOUBLE_EQ(base.waves({256, 2560, 64}, kTile, DType::bf16), 2 * round);
  EXPECT_DOUBLE_EQ(base.waves({256, 2816, 64}, kTile, DType::bf16), 3 * round);
  EXPECT_DOUBLE_EQ(base.waves({128, 256, 64}, kTile, DType::bf16), round);
}

// One tile with k = 4096: cut in 8, as many multiprocessors take 512 of it each, 4.47 us, and sums of
// 8 * 8 * 128 * 256 bytes 2.47 us. In 6 pieces it would be 5.97 + 1.85 us, in 16 4.47 + 4.93 us.
TEST(TableBase, CutsTheInnerDimensionWhereTilesAreFew) {
  const double cut = 2.0 * 128 * 256 * 512 / 7.5e12 + 8.0 * 8 * 128 * 256 / 0.85e12;
  EXPECT_DOUBLE_EQ(base_of_ten().waves({128, 256, 4096}, kTile, DType::bf16), cut);
}

// The gradient of weights is a product of n rows, k columns and the rows inside: 20 tiles of k = 64. Without a tile, or
// on a device whose multiprocessors nobody counted, arithmetic is as smooth as its operations.
TEST(TableBase, TakesWavesOfKernelsWithATile) {
  TableBase base = base_of_ten();
  OpShape shape;
  shape.n = 256, shape.k = 2560;
  const auto seconds = [&](TileShape tile) {
    return base.seconds(Op::linear_wgrad, DType::bf16, DType::bf16, shape, 64, 1e-6, tile);
  };
  const double traffic = traffic_of(Op::linear_wgrad, shape, 64, 1, DType::bf16) / 0.85e12;
  EXPECT_DOUBLE_EQ(seconds(kTile), 1e-6 + std::hypot(2 * 2.0 * 128 * 256 * 64 / 7.5e12, traffic));
  EXPECT_DOUBLE_EQ(seconds({}), 1e-6 + std::hypot(2.0 * 64 * 256 * 2560 / 7.5e13, traffic));
  base.device.multiprocessors = 0;
  EXPECT_DOUBLE_EQ(seconds(kTile), seconds({}));
}

// Decode reads 128 keys at a time; prefill as many as there are.
TEST(TableBase, ReadsWholeTilesOfKeys) {
  const TableBase base = base_of_ten();
  const auto seconds = [&](int64_t keys, bool prefill) {
    const OpShape shape = {.sequence = keys, .heads = 8, .kv_heads = 2, .head_dim = 128, .causal_square = prefill};
    return base.seconds(Op::attention, DType::bf16, DType::bf16, shape, 256, 0);
  };
  EXPECT_EQ(seconds(2, false), seconds(128, false));
  EXPECT_EQ(seconds(129, false), seconds(256, false));
  EXPECT_LT(seconds(128, false), seconds(129, false));
  EXPECT_LT(seconds(2, true), seconds(128, true));
}

/// Times that are those of a base with that tile and a floor of 0.9 of the least: floor 9 times the work of the first.
KernelTable table_with(TileShape tile) {
  const TableBase base = base_of_ten();
  KernelTable table;
  table.op = "linear";
  table.axes = {{"rows", {16, 128, 384, 640, 1024, 1408}}, {"n", {128, 640, 1280, 2304}}, {"k", {64, 512, 4096}}};
  const auto work = [&](int64_t rows, int64_t n, int64_t k) {
    OpShape shape;
    shape.n = n, shape.k = k;
    return 1e6 * base.seconds(Op::linear, DType::bf16, DType::bf16, shape, rows, 0, tile);
  };
  for (const int64_t rows : table.axes[0].values)
    for (const int64_t n : table.axes[1].values)
      for (const int64_t k : table.axes[2].values)
        table.microseconds.push_back(9 * work(16, 128, 64) + work(rows, n, k));
  return table;
}

// With the right tile every point is its base, so that no neighbour says anything else.
TEST(TileChoice, IsTheOneOfTheTimes) {
  for (const TileShape tile : {TileShape{}, TileShape{128, 256}, TileShape{128, 128}})
    EXPECT_EQ(smoothest_tile(table_with(tile), base_of_ten()), tile) << tile.columns;
  EXPECT_EQ(smoothest_tile(table_with(kTile), {sample_gpu()}), TileShape{});
}

}  // namespace
}  // namespace moesaic
