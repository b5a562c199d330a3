#include "core/cost/table_prices.h"

#include <gtest/gtest.h>

#include "core/cost/curve.h"
#include "tests/core/cost/sample_tables.h"

namespace moesaic {
namespace {

OpShape product(int64_t n, int64_t k) {
  OpShape shape;
  shape.n = n, shape.k = k;
  return shape;
}

TablePrices prices_of(KernelTables tables) {
  return TablePrices(std::make_shared<const KernelTables>(std::move(tables)), sample_gpu());
}

/// 64 x 32 experts of 4 slots; balanced layers take 1.5 of the model, those with a skew of 4 take 3.
ExpertTable experts_table() {
  ExpertTable table;
  table.hidden = 64, table.intermediate = 32, table.slots = 4;
  table.curves = {{"balanced", {4, 400}, {1, 1}, {10, 20}, {15, 30}},
                  {"power_law_1.2", {4, 400}, {4, 4}, {10, 20}, {30, 60}}};
  return table;
}

OpShape experts_shape() {
  OpShape shape = product(32, 64);
  shape.gated = true;
  return shape;
}

// dx [m, k] = dy [m, n] w is a product of k columns, dw [n, k] = dy^T x one of n rows with m inside: the points of the
// curves are those of the table's axes.
TEST(TablePrices, ReadsGradientsAsTheProductsThatTheyAre) {
  KernelTables tables = sample_tables();
  tables.kernels = {products_table(0.5)};
  const TablePrices prices = prices_of(tables);
  const KernelGrid grid(tables.kernels[0], {sample_gpu()});
  const TableBase base{sample_gpu()};
  const auto forward = prices.curve(Op::linear, DType::bf16, product(256, 1024));
  const auto data = prices.curve(Op::linear_dgrad, DType::bf16, product(256, 1024));
  const auto weights = prices.curve(Op::linear_wgrad, DType::bf16, product(256, 1024));
  EXPECT_EQ(forward->curve.rows.back(), 256);
  EXPECT_EQ(weights->curve.rows.back(), 1024);
  EXPECT_EQ(forward->likeness, Likeness::same);
  for (const auto& [curve, op] :
       {std::pair(forward, Op::linear), {data, Op::linear_dgrad}, {weights, Op::linear_wgrad}})
    for (size_t i = 0; i < curve->curve.rows.size(); ++i)
      EXPECT_NEAR(
          curve->curve.seconds[i],
          0.5 * base.seconds(op, DType::bf16, DType::bf16, product(256, 1024), curve->curve.rows[i], grid.floor()),
          1e-15);
  EXPECT_EQ(prices.curve(Op::norm, DType::bf16, product(0, 64)), nullptr);
  EXPECT_EQ(prices.curve(Op::linear, DType::f32, product(256, 1024)), nullptr);
}

// fp8 weights without a table of their own are read from the table in bf16 and are no measurement.
TEST(TablePrices, SaysWhereATableIsOfAnotherDtypeOrTooSmall) {
  KernelTables tables = sample_tables();
  tables.kernels = {products_table(0.5)};
  const TablePrices prices = prices_of(tables);
  EXPECT_EQ(prices.curve(Op::linear, {DType::bf16, DType::fp8}, product(256, 1024))->likeness, Likeness::different);
  EXPECT_EQ(prices.curve(Op::linear, DType::bf16, product(4096, 1024))->likeness, Likeness::beyond);
}

// A GPU of twice the rates is another one: all but the launch takes half, and counts as no measurement.
TEST(TablePrices, FollowTheRatesOfTheDevice) {
  KernelTables tables = sample_tables();
  tables.kernels = {products_table(0.5)};
  tables.experts = {experts_table()};
  Device faster = sample_gpu();
  faster.memory_bandwidth_bytes_per_s *= 2, faster.peak_bf16_flops_per_s *= 2;
  const TablePrices prices(std::make_shared<const KernelTables>(tables), sample_gpu());
  const TablePrices edited(std::make_shared<const KernelTables>(tables), faster);
  const auto before = prices.curve(Op::linear, DType::bf16, product(256, 1024));
  const auto after = edited.curve(Op::linear, DType::bf16, product(256, 1024));
  const KernelGrid grid(tables.kernels[0], {sample_gpu()});
  for (size_t i = 0; i < before->curve.rows.size(); ++i)
    EXPECT_NEAR(after->curve.seconds[i], (before->curve.seconds[i] + 0.5 * grid.floor()) / 2, 1e-15);
  EXPECT_EQ(after->likeness, Likeness::different);
  const std::vector<int64_t> rows = {10, 10, 10, 10};
  const auto experts = edited.experts(DType::bf16, experts_shape(), 4)->read(rows);
  EXPECT_NEAR(experts.seconds,
              (prices.experts(DType::bf16, experts_shape(), 4)->read(rows).seconds + 1.5 * kExpertsFloor) / 2, 1e-15);
  EXPECT_EQ(experts.likeness, Likeness::different);
}

// int4 weights have no table: of those in bf16 and in fp8, bf16 is what they are widened to. With half the bytes of
// weights and the same arithmetic, the reading of the bf16 table follows its base.
TEST(TablePrices, ReadsOtherWeightsFromTheTableInBf16) {
  KernelTables tables = sample_tables();
  KernelTable fp8 = products_table(0.25);
  fp8.weights = DType::fp8;
  tables.kernels = {fp8, products_table(0.5)};
  const TablePrices prices = prices_of(tables);
  const TableBase base{sample_gpu()};
  const KernelGrid grid(tables.kernels[1], {sample_gpu()});
  const StoredAs stored{DType::bf16, DType::int4};
  const auto curve = prices.curve(Op::linear, stored, product(256, 1024));
  EXPECT_NEAR(curve->curve.seconds.back(),
              0.5 * base.seconds(Op::linear, stored, DType::bf16, product(256, 1024), 256, grid.floor()), 1e-15);
  EXPECT_EQ(curve->likeness, Likeness::different);
}

// A kernel for fp8 weights multiplies in fp8 where the device does, one for mxfp4 weights in bf16 everywhere.
TEST(TablePrices, KnowsInWhatAKernelMultiplies) {
  Device device = sample_gpu();
  EXPECT_EQ(TableBase{device}.flops_per_s(DType::fp8), 1e14 * kTableFlopsShare);
  device.peak_fp8_flops_per_s = 2e14, device.peak_fp4_flops_per_s = 4e14;
  const TableBase base{device};
  EXPECT_EQ(base.flops_per_s(DType::f32), 1e13 * kTableFlopsShare);
  EXPECT_EQ(base.flops_per_s(DType::fp8), 2e14 * kTableFlopsShare);
  EXPECT_EQ(base.flops_per_s(DType::nvfp4), 4e14 * kTableFlopsShare);
  EXPECT_EQ(base.flops_per_s(DType::fp4), 1e14 * kTableFlopsShare);
}

// 4 slots of 10 rows: skew 1, the balanced factor. All 40 rows in one slot: skew 4 * 1600 / 1600 = 4, the other one.
// Two slots of 20: skew 2, halfway in the logarithm: sqrt(1.5 * 3).
TEST(TablePrices, ReadsExpertsByRowsAndSkew) {
  KernelTables tables = sample_tables();
  tables.experts = {experts_table()};
  const TablePrices prices = prices_of(tables);
  const TableBase base{sample_gpu()};
  const auto experts = prices.experts(DType::bf16, experts_shape(), 4);
  ASSERT_TRUE(experts.has_value());
  const auto expect = [&](const std::vector<int64_t>& rows, double factor) {
    EXPECT_NEAR(experts->read(rows).seconds, factor * base.experts(DType::bf16, DType::bf16, experts_shape(), rows),
                1e-12);
    EXPECT_EQ(experts->read(rows).likeness, Likeness::same);
  };
  expect({10, 10, 10, 10}, 1.5);
  expect({40, 0, 0, 0}, 3);
  expect({20, 20, 0, 0}, std::sqrt(1.5 * 3));
  EXPECT_EQ(experts->read(std::vector<int64_t>{0, 0, 0, 0}).seconds, 0);
  EXPECT_EQ(experts->read(std::vector<int64_t>{1000, 0, 0, 0}).likeness, Likeness::beyond);
  EXPECT_EQ(prices.experts(DType::bf16, experts_shape(), 8)->read(std::vector<int64_t>(8, 10)).likeness,
            Likeness::different);
}

// A slot's rows fill whole tiles of 128 and its weights are read once: 3 x 32 x 64 elements.
TEST(TablePrices, ModelsExpertsByTilesAndActiveSlots) {
  const TableBase base{sample_gpu()};
  const auto slot = [&](double tiles, double rows) {
    const double arithmetic = 2 * 3 * 128 * tiles * 32 * 64 / (1e14 * kTableFlopsShare);
    const double weights = 2 * 3 * 32 * 64 / (1e12 * kTableBandwidthShare);
    return std::hypot(arithmetic, weights) + 2 * rows * (2 * 64 + 5 * 32) / (1e12 * kTableBandwidthShare);
  };
  const std::vector<int64_t> rows = {1, 129, 0};
  EXPECT_NEAR(base.experts(DType::bf16, DType::bf16, experts_shape(), rows), kExpertsFloor + slot(1, 1) + slot(2, 129),
              1e-18);
}

// Every factor of the table is above 1, so no vector costs less than the arithmetic and the traffic of its rows.
TEST(TablePrices, BoundsExpertsPerRow) {
  KernelTables tables = sample_tables();
  tables.experts = {experts_table()};
  const TablePrices prices = prices_of(tables);
  const Seconds least = prices.least_per_row(DType::bf16, experts_shape());
  const auto experts = prices.experts(DType::bf16, experts_shape(), 4);
  for (const std::vector<int64_t>& rows :
       {std::vector<int64_t>{1, 1, 1, 1}, {128, 128, 128, 128}, {100000, 0, 0, 0}, {5000, 5000, 5000, 5000}}) {
    const int64_t all = rows[0] + rows[1] + rows[2] + rows[3];
    EXPECT_GE(experts->read(rows).seconds, least * static_cast<double>(all));
  }
}

}  // namespace
}  // namespace moesaic
