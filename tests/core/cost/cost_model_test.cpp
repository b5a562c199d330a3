#include "core/cost/cost_model.h"

#include <gtest/gtest.h>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "tests/core/cost/sample_tables.h"

namespace moesaic {
namespace {

/// 1 TFLOP/s in f32, 4 in bf16, 100 GB/s.
Cluster cluster() {
  Cluster cluster;
  cluster.name = "test";
  cluster.device = {"device", 1'000'000'000, 100e9, 1e12, 4e12, false};
  return cluster;
}

OperatorCurve curve(const char* op, DType dtype, std::map<std::string, int64_t> fixed,
                    Provenance provenance = Provenance::measured) {
  return {op, dtype, std::move(fixed), {10, 20}, {10e-6, 20e-6}, provenance};
}

Profile profile_with(std::vector<OperatorCurve> operators) {
  Profile profile;
  profile.name = "test";
  profile.operators = std::move(operators);
  profile.assumed_flops_efficiency = 0.5;
  profile.assumed_bandwidth_efficiency = 0.5;
  return profile;
}

Task task(Op op, DType dtype, OpShape shape) {
  Task task;
  task.op = op;
  task.dtype = dtype;
  task.shape = shape;
  return task;
}

void expect_price(const Price& price, Seconds seconds, Basis basis) {
  EXPECT_DOUBLE_EQ(price.seconds, seconds);
  EXPECT_EQ(price.basis, basis) << name_of(price.basis);
}

const OpShape kShape = {.n = 256, .k = 128};

TEST(CostModel, ReadsTheCurveOfTheSignature) {
  const CostModel model(profile_with({curve("linear", DType::f32, {{"n", 256}, {"k", 128}})}), cluster());
  const Task linear = task(Op::linear, DType::f32, kShape);
  expect_price(model.compute(linear, 15), 15e-6, Basis::measured);
  expect_price(model.compute(linear, 40), 40e-6, Basis::extrapolated);  // 1 us per row
  expect_price(model.compute(linear, 2), 5e-6, Basis::extrapolated);    // half of the first point
  expect_price(model.compute(linear, 0), 0, Basis::measured);
}

TEST(CostModel, OperatorsThatAreNoMatrixProductsAreFoundAsF32) {
  const CostModel model(profile_with({curve("norm", DType::f32, {{"k", 128}})}), cluster());
  expect_price(model.compute(task(Op::norm, DType::bf16, {.k = 128}), 15), 15e-6, Basis::measured);
}

TEST(CostModel, ScalesTheNearestCurve) {
  // Wanted n = 512, k = 128. n = 256 is a factor 2 away, n = 64 a factor 8. Rooflines of 20 rows: arithmetic is 2 * 20
  // * 128 n / 0.5e12: 5.24 us and 2.62 us; traffic is 4 (20 * 128 + 128 n + 20 n) / 50e9: 6.26688 us and 3.23584 us,
  // the larger.
  const CostModel model(profile_with({curve("linear", DType::f32, {{"n", 64}, {"k", 128}}),
                                      curve("linear", DType::f32, {{"n", 256}, {"k", 128}}),
                                      curve("linear", DType::bf16, {{"n", 512}, {"k", 128}})}),
                        cluster());
  expect_price(model.compute(task(Op::linear, DType::f32, {.n = 512, .k = 128}), 20), 20e-6 * 6.26688 / 3.23584,
               Basis::scaled);
}

// No curve of a check: AdamW's 20 us of 20 rows, at 4 bytes per element for 32.
TEST(CostModel, ScalesAnotherOperatorThatMemoryLimitsAlike) {
  const CostModel model(profile_with({curve("adamw", DType::f32, {})}), cluster());
  expect_price(model.compute(task(Op::check_gradients, DType::f32, {}), 20), 2.5e-6, Basis::scaled);
  expect_price(model.compute(task(Op::clear, DType::f32, {}), 20), 4 * 20 / 50e9, Basis::roofline);
}

// A causal square of 1024 queries with 2 heads of 64: 4 * 1024 * 512 * 128 FLOP, with a window of 256 of the 1024 keys
// 256 * 128 + 768 * 256 = 229,376 pairs instead of 524,288. Both are bound by arithmetic: 20 us * 0.4375 = 8.75 us. The
// curve without a window is nearer than one whose sequence is shorter than the window.
TEST(CostModel, ScalesAttentionToItsWindow) {
  const auto attention = [](int64_t sequence) {
    OperatorCurve known =
        curve("attention", DType::f32,
              {{"sequence", sequence}, {"heads", 2}, {"kv_heads", 2}, {"head_dim", 64}, {"causal_square", 1}});
    known.rows = {512, 1024};
    return known;
  };
  const CostModel model(profile_with({attention(16), attention(1024)}), cluster());
  const OpShape windowed = {
      .sequence = 1024, .window = 256, .heads = 2, .kv_heads = 2, .head_dim = 64, .causal_square = true};
  expect_price(model.compute(task(Op::attention, DType::f32, windowed), 1024), 8.75e-6, Basis::scaled);
}

TEST(CostModel, FallsBackToTheRoofline) {
  const CostModel model(profile_with({curve("linear_dgrad", DType::f32, {{"n", 256}, {"k", 128}})}), cluster());
  // 1024 rows of n = 256, k = 128: 2 * 1024 * 256 * 128 = 67108864 FLOP. In f32 at 0.5e12: 134.217728 us;
  // traffic 4 (131072 + 32768 + 262144) = 1703936 bytes at 50e9: 34.07872 us.
  expect_price(model.compute(task(Op::linear, DType::f32, kShape), 1024), 134.217728e-6, Basis::roofline);
  // In bf16: 33.554432 us at 2e12, and half the traffic: 17.03936 us.
  expect_price(model.compute(task(Op::linear, DType::bf16, kShape), 1024), 33.554432e-6, Basis::roofline);
  // norm: 2 * 4 * 1024 * 128 bytes at 50e9 = 20.97152 us against 8 * 1024 * 128 / 0.5e12 = 2.1 us.
  expect_price(model.compute(task(Op::norm, DType::f32, {.k = 128}), 1024), 20.97152e-6, Basis::roofline);
}

// A row in bf16 with [256, 128] weights: activations 2 (128 + 256) = 768 bytes at 50e9, and 32768 weights of 16, 8 or
// 4.25 bits. 1024 rows are bound by arithmetic, as above.
TEST(CostModel, ReadsWeightsAsTheyAreStored) {
  const CostModel model(profile_with({}), cluster());
  Task product = task(Op::linear, DType::bf16, kShape);
  expect_price(model.compute(product, 1), (768 + 65536) / 50e9, Basis::roofline);
  product.stored_dtype = DType::fp8;
  expect_price(model.compute(product, 1), (768 + 32768) / 50e9, Basis::roofline);
  product.stored_dtype = DType::fp4;
  expect_price(model.compute(product, 1), (768 + 17408) / 50e9, Basis::roofline);
  expect_price(model.compute(product, 1024), 33.554432e-6, Basis::roofline);
}

// fp8 weights are met in fp8 where the device multiplies in it: 67,108,864 flops at half of 8e12, and of 4e12 for fp4
// in groups, which is widened to bf16. A product of f32 rows stays in f32.
TEST(CostModel, MultipliesInTheDtypeOfTheKernel) {
  Cluster gpu = cluster();
  gpu.device.peak_fp8_flops_per_s = 8e12;
  const CostModel model(profile_with({}), gpu);
  const auto linear = [](DType activations, DType weights) {
    Task product = task(Op::linear, activations, kShape);
    product.stored_dtype = weights;
    return product;
  };
  // In fp8 arithmetic takes 16.78 us; 2 (131072 + 262144) + 32768 bytes at 50e9 take 16.38.
  expect_price(model.compute(linear(DType::bf16, DType::fp8), 1024), 67108864 / 4e12, Basis::roofline);
  expect_price(model.compute(linear(DType::bf16, DType::fp4), 1024), 67108864 / 2e12, Basis::roofline);
  expect_price(model.compute(linear(DType::f32, DType::fp8), 1024), 67108864 / 0.5e12, Basis::roofline);
}

// Rows of 128 in bf16: norm reads and writes 2 * 2 * 1024 * 128 bytes, permute as many, at 50e9. AdamW of 1000
// elements: master and moments there and back 24 bytes, gradient read and cleared 4, weight 2; in f32 32. As one kernel
// per operation: 84 / 32 times as much.
TEST(CostModel, CountsTrafficInTheDtypeOfActivations) {
  Profile profile = profile_with({});
  const CostModel fused(profile, cluster());
  const double rows = 2 * 2 * 1024 * 128;
  expect_price(fused.compute(task(Op::norm, DType::bf16, {.k = 128}), 1024), rows / 50e9, Basis::roofline);
  expect_price(fused.compute(task(Op::permute, DType::bf16, {.k = 128}), 1024), rows / 50e9, Basis::roofline);
  expect_price(fused.compute(task(Op::adamw, DType::f32, {}), 1000), 32e3 / 50e9, Basis::roofline);
  expect_price(fused.compute(task(Op::adamw, DType::bf16, {}), 1000), 30e3 / 50e9, Basis::roofline);
  profile.fused_optimizer = false;
  const CostModel unfused(profile, cluster());
  expect_price(unfused.compute(task(Op::adamw, DType::f32, {}), 1000), 84e3 / 50e9, Basis::roofline);
}

// 1024 rows, 128 experts of rows of 128: 2 * 1024 * 128 * 128 + 5 * 1024 * 128 = 34,209,792 flops at 0.5e12 in f32 and
// at 2e12 in bf16, where 2 (1024 * 128 + 128 * 128) bytes of rows and weights and 4 * 2 * 1024 * 128 of results are
// slower: 1,343,488 bytes at 50e9.
TEST(CostModel, RoutersMultiplyInThePrecisionOfTheirRows) {
  const CostModel model(profile_with({}), cluster());
  const OpShape shape = {.n = 128, .k = 128, .top_k = 2};
  expect_price(model.compute(task(Op::router, DType::f32, shape), 1024), 34209792 / 0.5e12, Basis::roofline);
  expect_price(model.compute(task(Op::router, DType::bf16, shape), 1024), 1343488 / 50e9, Basis::roofline);
}

// 4096 * 2048 pairs, 2 heads of 192 + 128: 2 * 2 * 320 flops each at 2e12; backward is measured at three times that.
TEST(CostModel, PricesTheGradientOfExpandedAttentionByItsForwardPass) {
  const CostModel model(profile_with({}), cluster());
  const OpShape shape = {.sequence = 4096, .heads = 2, .head_dim = 192, .value_dim = 128, .causal_square = true};
  const double forward = 4096.0 * 2048 * 2 * 2 * 320 / 2e12;
  expect_price(model.compute(task(Op::expanded_attention, DType::bf16, shape), 4096), forward, Basis::roofline);
  expect_price(model.compute(task(Op::expanded_attention_backward, DType::bf16, shape), 4096), 3 * forward,
               Basis::roofline);
}

TEST(CostModel, ExpertsAreTheSumOverSlotsOnTheWeakestBasis) {
  const Task experts = task(Op::experts, DType::f32, kShape);
  const CostModel model(profile_with({curve("experts", DType::f32, {{"n", 256}, {"k", 128}})}), cluster());
  expect_price(model.experts(experts, std::vector<int64_t>{10, 0, 15}), 25e-6, Basis::measured);
  expect_price(model.experts(experts, std::vector<int64_t>{10, 0, 40}), 50e-6, Basis::extrapolated);
  expect_price(model.experts(experts, std::vector<int64_t>{0, 0}), 0, Basis::measured);
}

TEST(CostModel, NeighboursSlowComputeOnly) {
  Profile profile = profile_with({curve("linear", DType::f32, {{"n", 256}, {"k", 128}})});
  profile.neighbour_slowdown = 1.5;
  profile.collectives = {{"all_reduce", 4, false, {1000, 3000}, {10e-6, 20e-6}, Provenance::measured}};
  const CostModel model(profile, cluster());
  expect_price(model.compute(task(Op::linear, DType::f32, kShape), 10), 15e-6, Basis::measured);
  expect_price(model.compute(task(Op::norm, DType::f32, {.k = 128}), 1024), 1.5 * 20.97152e-6, Basis::roofline);
  expect_price(model.collective(*model.collective_curve(Op::all_reduce, 4, false), 2000), 15e-6, Basis::measured);
}

TEST(CostModel, CollectivesMatchOperatorSizeAndReach) {
  Profile profile = profile_with({});
  profile.collectives = {{"all_to_all", 4, false, {1000}, {10e-6}, Provenance::measured},
                         {"all_to_all", 4, true, {1000}, {30e-6}, Provenance::published},
                         {"all_to_all", 4, true, {1000}, {40e-6}, Provenance::measured}};
  const CostModel model(profile, cluster());
  expect_price(model.collective(*model.collective_curve(Op::all_to_all, 4, false), 1000), 10e-6, Basis::measured);
  // Two curves: the measured one counts. Above its points: 40 ns per byte.
  expect_price(model.collective(*model.collective_curve(Op::all_to_all, 4, true), 2000), 80e-6, Basis::extrapolated);
  EXPECT_EQ(model.collective_curve(Op::all_to_all, 8, true), nullptr);
  EXPECT_EQ(model.collective_curve(Op::all_reduce, 4, true), nullptr);
}

TEST(CostModel, PreparedPricesAreThoseOfTheTasks) {
  TaskGraph graph;
  graph.tasks = {task(Op::linear, DType::f32, kShape),
                 task(Op::all_reduce, DType::f32, {}),
                 task(Op::linear, DType::bf16, kShape),
                 task(Op::experts, DType::f32, kShape),
                 task(Op::norm, DType::bf16, {.k = 128}),
                 task(Op::norm, DType::f32, {.k = 128}),
                 task(Op::linear, DType::f32, {.n = 512, .k = 128})};
  CostModel prepared(profile_with({curve("linear", DType::f32, {{"n", 256}, {"k", 128}}),
                                   curve("experts", DType::f32, {{"n", 256}, {"k", 128}})}),
                     cluster());
  prepared.prepare(graph);
  const CostModel model = prepared;  // a copy stands on its own
  const std::vector<int64_t> slots = {3, 0, 17};
  for (const TaskIndex i : {0, 2, 4, 5, 6})
    for (const int64_t rows : {0, 1, 15, 100})
      EXPECT_EQ(model.compute(i, rows), model.compute(graph.tasks[i], rows)) << i << ' ' << rows;
  EXPECT_EQ(model.experts(3, slots), model.experts(graph.tasks[3], slots));
  EXPECT_THROW(model.compute(1, 10), InvariantError);  // a collective
  EXPECT_THROW(model.compute(7, 10), InvariantError);  // not in the graph
}

TEST(CostModel, OverheadIsThatOfTheProfile) {
  Profile profile = profile_with({});
  profile.task_overhead_s = 3e-6;
  EXPECT_EQ(CostModel(profile, cluster()).task_overhead(), 3e-6);
}

TEST(CostModel, RefusesWhatCannotBeRead) {
  const auto refuses = [](const auto& spoil) {
    Profile profile = profile_with({curve("linear", DType::f32, {{"n", 256}, {"k", 128}})});
    Cluster machine = cluster();
    spoil(profile, machine);
    EXPECT_THROW(CostModel(profile, machine), InputError);
  };
  refuses([](Profile& p, Cluster&) { p.operators[0].rows = {20, 10}; });
  refuses([](Profile& p, Cluster&) { p.operators[0].rows = {10}; });
  refuses([](Profile& p, Cluster&) { p.operators[0].seconds = {1e-6, -1e-6}; });
  refuses([](Profile& p, Cluster&) { p.collectives = {{"all_reduce", 4, false, {}, {}, Provenance::measured}}; });
  refuses([](Profile& p, Cluster&) { p.assumed_flops_efficiency = 0; });
  refuses([](Profile& p, Cluster&) { p.collective_slowdown = 0; });
  refuses([](Profile&, Cluster& c) { c.device.peak_f32_flops_per_s = 0; });
}

TEST(CostModel, AnAssumedCurveIsNoMeasurement) {
  // 10 rows cost 10 us on a curve that nobody measured on this device.
  Task task;
  task.op = Op::add;
  task.shape.k = 64;
  const CostModel model(profile_with({curve("add", DType::f32, {{"k", 64}}, Provenance::assumed)}), cluster());
  EXPECT_EQ(model.compute(task, 10), (Price{10e-6, Basis::scaled}));
  const CollectiveCurve collective{"all_to_all", 2, false, {1000, 2000}, {1e-6, 2e-6}, Provenance::assumed};
  EXPECT_EQ(model.collective(collective, 1000), (Price{1e-6, Basis::scaled}));
}

/// A profile whose tables hold products at half of their base, and experts.
Profile profile_with_tables(const std::string& name) {
  KernelTables tables = sample_tables(name);
  tables.kernels = {products_table(0.5)};
  ExpertTable experts;
  experts.hidden = 64, experts.intermediate = 32, experts.slots = 2;
  experts.curves = {{"balanced", {2, 400}, {1, 1}, {10, 20}, {20, 40}}};
  tables.experts = {experts};
  const std::string file = ::testing::TempDir() + "/" + name + ".json";
  write_file(file, write_kernel_tables(tables));
  Profile profile = profile_with({});
  profile.tables = {file, hash_of_file(file)};
  return profile;
}

// A curve of the very dimensions comes before the table, the table before every other curve. What is on none of them is
// a roofline.
TEST(CostModel, ReadsTablesWhereNoCurveFits) {
  Cluster gpu = cluster();
  gpu.device = sample_gpu();
  Profile profile = profile_with_tables("cost_model_tables");
  profile.operators = {curve("linear", DType::bf16, {{"n", 64}, {"k", 64}})};
  const CostModel model(profile, gpu);
  expect_price(model.compute(task(Op::linear, DType::bf16, {.n = 64, .k = 64}), 15), 15e-6, Basis::measured);
  const KernelTable table = products_table(0.5);
  const size_t at_16_256_1024 = 9 + 3 + 2;
  expect_price(model.compute(task(Op::linear, DType::bf16, {.n = 256, .k = 1024}), 16),
               1e-6 * table.microseconds[at_16_256_1024], Basis::published);
  EXPECT_EQ(model.compute(task(Op::linear, DType::bf16, {.n = 256, .k = 1024}), 1000).basis, Basis::extrapolated);
  EXPECT_EQ(model.compute(task(Op::norm, DType::bf16, {.k = 64}), 16).basis, Basis::roofline);
}

// Twice the model, for all slots together: two slots of 10 rows cost less than two launches of one slot each. What a
// second slot adds is less than the first one's price with its launch.
TEST(CostModel, PricesTheRowsOfAllSlotsTogether) {
  Cluster gpu = cluster();
  gpu.device = sample_gpu();
  const CostModel model(profile_with_tables("cost_model_experts"), gpu);
  const Task experts = task(Op::experts, DType::bf16, {.n = 32, .k = 64, .gated = true});
  const std::vector<int64_t> rows = {10, 10}, one = {10, 0};
  const TableBase base{sample_gpu()};
  const Price price = model.experts(experts, rows);
  EXPECT_NEAR(price.seconds, 2 * base.experts(DType::bf16, DType::bf16, experts.shape, rows), 1e-15);
  EXPECT_EQ(price.basis, Basis::published);
  EXPECT_NEAR(model.one_more_slot(experts, 10, 2), price.seconds - model.experts(experts, one).seconds, 1e-15);
  EXPECT_LT(model.one_more_slot(experts, 10, 2), model.experts(experts, one).seconds);
}

}  // namespace
}  // namespace moesaic
