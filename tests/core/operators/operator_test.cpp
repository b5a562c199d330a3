#include "core/operators/operator.h"

#include <gtest/gtest.h>

#include <set>

namespace moesaic {
namespace {

TEST(Operator, NamesGoThereAndBack) {
  std::set<std::string> names;
  for (int i = 0; i < kNumOps; ++i) {
    const Op op = static_cast<Op>(i);
    EXPECT_EQ(op_named(name_of(op)), op);
    names.insert(name_of(op));
  }
  EXPECT_EQ(names.size(), 52u);
  EXPECT_EQ(op_named("gemm"), std::nullopt);
  EXPECT_EQ(op_named(""), std::nullopt);
}

using Names = std::vector<std::string>;

template <typename Predicate>
Names names_where(const Predicate& holds) {
  Names names;
  for (int i = 0; i < kNumOps; ++i)
    if (holds(static_cast<Op>(i))) names.push_back(name_of(static_cast<Op>(i)));
  return names;
}

TEST(Operator, BelongsToKinds) {
  EXPECT_EQ(names_where(is_collective), (Names{"all_to_all", "all_reduce", "all_gather", "reduce_scatter"}));
  EXPECT_EQ(names_where(is_transfer), (Names{"load_experts", "fetch_experts", "drain_gradients", "check_experts",
                                             "update_experts", "store_experts"}));
  EXPECT_EQ(names_where(checks_gradients), (Names{"check_gradients", "sum_squares", "check_experts"}));
  EXPECT_EQ(names_where(is_experts), (Names{"experts", "experts_dgrad", "experts_wgrad"}));
  EXPECT_EQ(
      names_where(is_matrix_product),
      (Names{"linear", "attention", "expanded_attention", "latent_attention", "head_linear", "experts", "linear_dgrad",
             "linear_wgrad", "attention_backward", "expanded_attention_backward", "experts_dgrad", "experts_wgrad"}));
  EXPECT_EQ(names_where(moves_rows),
            (Names{"permute", "regroup", "unpermute_backward", "gather_replicas", "spread_replicas", "all_to_all"}));
}

// Only what the device does not do is free of bytes: transfers and collectives.
TEST(Operator, IsFreeOnlyWhereTheDeviceDoesNothing) {
  OpShape shape;
  shape.n = 3, shape.k = 2, shape.sequence = 4, shape.heads = shape.kv_heads = 1, shape.head_dim = 2;
  shape.value_dim = 2;
  EXPECT_EQ(names_where([&](Op op) { return traffic_of(op, shape, 4, 1, DType::f32) == 0; }),
            names_where([](Op op) { return is_transfer(op) || is_collective(op); }));
  EXPECT_EQ(names_where([&](Op op) { return flops_of(op, shape, 4) == 0 && !is_transfer(op) && !is_collective(op); }),
            (Names{"embed", "own_choices", "permute", "regroup", "route_masks", "clear", "gather_replicas",
                   "spread_replicas"}));
}

OpShape shape_of_width(int64_t n, int64_t k) {
  OpShape shape;
  shape.n = n, shape.k = k;
  return shape;
}

// 10 rows times [30, 20]: 2 * 10 * 30 * 20 = 12,000, forward and each half of backward.
TEST(Operator, CountsALinearLayer) {
  for (const Op op : {Op::linear, Op::linear_dgrad, Op::linear_wgrad})
    EXPECT_EQ(flops_of(op, shape_of_width(30, 20), 10), 12000);
}

// F 30, H 20: up and down are 2 * 2 * 10 * 600 = 24,000; SwiGLU has a third matrix, 36,000.
TEST(Operator, CountsExperts) {
  OpShape shape = shape_of_width(30, 20);
  for (const Op op : {Op::experts, Op::experts_dgrad, Op::experts_wgrad}) {
    shape.gated = false;
    EXPECT_EQ(flops_of(op, shape, 10), 24000);
    shape.gated = true;
    EXPECT_EQ(flops_of(op, shape, 10), 36000);
  }
}

// 64 queries in sequences of 16 keys, 4 heads of 8. A causal square keeps half of 64 * 16 = 1024 pairs, a decode step
// all. Two products per pair: 4 * 512 * 32 = 65,536 and 4 * 1024 * 32 = 131,072; backward has five: 10 * 512 * 32.
TEST(Operator, CountsAttention) {
  OpShape shape;
  shape.sequence = 16, shape.heads = 4, shape.kv_heads = 2, shape.head_dim = 8, shape.causal_square = true;
  EXPECT_EQ(flops_of(Op::attention, shape, 64), 65536);
  EXPECT_EQ(flops_of(Op::attention_backward, shape, 64), 163840);
  shape.causal_square = false;
  EXPECT_EQ(flops_of(Op::attention, shape, 64), 131072);
}

// 4 sequences of 16 queries that see 4 keys at most: the first 4 have 4 * 4 / 2 = 8 pairs, as a causal square of 4 has,
// the other 12 have 4 each, so 4 * (8 + 48) = 224 pairs instead of 512. 4 * 224 * 32 = 28,672; 10 * 224 * 32 = 71,680.
// A window of all 16 keys hides none. Queries, keys and values are read once, whatever the window.
TEST(Operator, CountsAttentionInAWindow) {
  OpShape shape;
  shape.sequence = 16, shape.heads = 4, shape.kv_heads = 2, shape.head_dim = 8, shape.causal_square = true;
  const double all = traffic_of(Op::attention, shape, 64, 0, DType::f32);
  shape.window = 4;
  EXPECT_EQ(flops_of(Op::attention, shape, 64), 28672);
  EXPECT_EQ(flops_of(Op::attention_backward, shape, 64), 71680);
  EXPECT_EQ(traffic_of(Op::attention, shape, 64, 0, DType::f32), all);
  for (const int64_t whole : {16, 17}) {
    shape.window = whole;
    EXPECT_EQ(flops_of(Op::attention, shape, 64), 65536);
  }
}

/// DeepSeek-V3: 128 heads; expanded to keys of 128 + 64 and values of 128, or as 512 + 64 with values of 512.
OpShape latent_shape(int64_t sequence, bool absorbed) {
  OpShape shape;
  shape.sequence = sequence, shape.heads = 128, shape.causal_square = !absorbed;
  shape.head_dim = absorbed ? 576 : 192, shape.value_dim = absorbed ? 512 : 128;
  return shape;
}

// 4096 queries of one sequence have 4096 * 2048 pairs: a product of 192 and one of 128 for each head, 2 * 128 * 320
// flops a pair; backward 3 * 192 + 2 * 128 = 832. Queries, keys, values and results once: 2 * 128 * 320 elements a row.
TEST(Operator, CountsExpandedAttention) {
  const OpShape shape = latent_shape(4096, false);
  EXPECT_EQ(flops_of(Op::expanded_attention, shape, 4096), 4096.0 * 2048 * 2 * 128 * 320);
  EXPECT_EQ(flops_of(Op::expanded_attention_backward, shape, 4096), 4096.0 * 2048 * 2 * 128 * 832);
  EXPECT_EQ(traffic_of(Op::expanded_attention, shape, 4096, 0, DType::bf16), 2 * 4096.0 * 2 * 128 * 320);
}

// A new token over S keys: 2 * 128 * S * (576 + 512) flops; the cache is read once for all heads, S * 576 * 2 bytes in
// bf16 and half of that in fp8, beside the queries and results of the heads, 128 * (576 + 512) * 2 = 278,528 bytes.
TEST(Operator, CountsLatentAttention) {
  for (const int64_t keys : {1, 2048, 131072}) {
    const auto number = static_cast<double>(keys);
    const OpShape shape = latent_shape(keys, true);
    EXPECT_EQ(flops_of(Op::latent_attention, shape, 1), 2 * 128 * number * 1088);
    EXPECT_EQ(traffic_of(Op::latent_attention, shape, 1, 0, DType::bf16), number * 576 * 2 + 278528);
    EXPECT_EQ(traffic_of(Op::latent_attention, shape, 1, 0, StoredAs(DType::bf16, DType::fp8)), number * 576 + 278528);
  }
}

// 10 rows, 128 heads, [512, 128] each: 2 * 10 * 128 * 65,536 flops; rows 128 * 10 * 640 elements in bf16, weights
// 128 * 65,536 in fp8.
TEST(Operator, CountsProductsByHead) {
  OpShape shape = shape_of_width(512, 128);
  shape.heads = 128;
  EXPECT_EQ(flops_of(Op::head_linear, shape, 10), 2.0 * 10 * 128 * 65536);
  EXPECT_EQ(traffic_of(Op::head_linear, shape, 10, 0, StoredAs(DType::bf16, DType::fp8)),
            128.0 * (2 * 10 * 640 + 65536));
}

// bf16, 10 rows, [30, 20]: x 200 + w 600 + y 300 elements of 2 bytes = 2200. The weight gradient is read and written:
// 200 + 300 + 1200 elements = 3400 bytes.
TEST(Operator, CountsBytesOfALinearLayer) {
  EXPECT_EQ(traffic_of(Op::linear, shape_of_width(30, 20), 10, 0, DType::bf16), 2200);
  EXPECT_EQ(traffic_of(Op::linear_wgrad, shape_of_width(30, 20), 10, 0, DType::bf16), 3400);
}

// fp8 weights beside bf16 activations: of the layer above 2 (200 + 300) + 600 = 1600; of the experts below, not gated,
// 1 active: 2 (400 + 3 * 300) + 2 * 600 = 3800; of 10 looked up rows of 20: 2 * 200 + 200 = 600.
TEST(Operator, CountsBytesOfWeightsInTheirOwnDtype) {
  const StoredAs narrow(DType::bf16, DType::fp8);
  EXPECT_EQ(traffic_of(Op::linear, shape_of_width(30, 20), 10, 0, narrow), 1600);
  EXPECT_EQ(traffic_of(Op::experts, shape_of_width(30, 20), 10, 1, narrow), 3800);
  EXPECT_EQ(traffic_of(Op::embed, shape_of_width(30, 20), 10, 0, narrow), 600);
}

// Keys and values of a causal square are those of its rows, of a decode step those of 16 tokens per row. 2 kv heads of
// 8, f32, 4 rows, 4 heads: queries and output 2 * 4 * 32 = 256; keys and values 2 * 4 * 16 = 128 or 2 * 64 * 16 = 2048.
TEST(Operator, CountsBytesOfAttention) {
  OpShape shape;
  shape.sequence = 16, shape.heads = 4, shape.kv_heads = 2, shape.head_dim = 8, shape.causal_square = true;
  EXPECT_EQ(traffic_of(Op::attention, shape, 4, 0, DType::f32), 4 * (256 + 128));
  shape.causal_square = false;
  EXPECT_EQ(traffic_of(Op::attention, shape, 4, 0, DType::f32), 4 * (256 + 2048));
  EXPECT_EQ(traffic_of(Op::attention, shape, 4, 0, StoredAs(DType::f32, DType::fp8)), 4 * 256 + 2048);
  shape.heads = 16;  // more queries to a key-value head: it is read as often
  EXPECT_EQ(traffic_of(Op::attention, shape, 4, 0, DType::f32), 4 * (1024 + 2048));
}

// Gated experts, F 30, H 20, 10 rows, 3 of them active, f32: x and y 400; u and a (2 * 2 + 1) * 300 = 1500; weights
// 3 * 3 * 600 = 5400.
TEST(Operator, CountsBytesOfActiveExpertsOnly) {
  OpShape shape = shape_of_width(30, 20);
  shape.gated = true;
  EXPECT_EQ(traffic_of(Op::experts, shape, 10, 3, DType::f32), 4 * (400 + 1500 + 5400));
  EXPECT_EQ(traffic_of(Op::experts, shape, 10, 0, DType::f32), 4 * (400 + 1500));
}

TEST(Operator, ListsDimensionsThatAreNotZero) {
  OpShape shape = shape_of_width(4, 8);
  shape.top_k = 2, shape.gated = true;
  EXPECT_EQ(dimensions_of(shape),
            (std::vector<std::pair<std::string, int64_t>>{{"n", 4}, {"k", 8}, {"top_k", 2}, {"gated", 1}}));
}

}  // namespace
}  // namespace moesaic
