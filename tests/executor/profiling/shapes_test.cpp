#include "executor/profiling/shapes.h"

#include <gtest/gtest.h>

#include "core/cost/signature.h"
#include "tests/executor/profiling/tiny_plan.h"

namespace moesaic::executor {
namespace {

/// "signature: own | range | further"; no range for fixed rows.
std::string line_of(const OperatorShape& shape) {
  std::string line = signature_of(shape.op, shape.dtype, shape.shape) + ":";
  for (int64_t rows : shape.own_rows) line += ' ' + std::to_string(rows);
  if (!shape.range_rows.empty()) line += " |";
  for (int64_t rows : shape.range_rows) line += ' ' + std::to_string(rows);
  line += " |";
  for (int64_t rows : shape.further_rows) line += ' ' + std::to_string(rows);
  return line;
}

std::vector<std::string> lines_of(const std::vector<Plan>& plans) {
  std::vector<std::string> lines;
  for (const OperatorShape& shape : collect_shapes(plans)) lines.push_back(line_of(shape));
  return lines;
}

// Two ranks of one sequence: 8 tokens each, 2 choices per token, 4 experts in 2 slots per rank.
//  - fixed: 8 rows; half and twice; attention counts whole sequences of 8 rows
//  - routed: 8 * 2 = 16 rows when balanced, at most 2 * 16 * 2 = 64, 64^(i/7) = 1.8 3.3 5.9 10.8 19.5 35.3 between
//  - permutations: whole tokens of 2 rows; experts: one slot, 16 / 2 = 8 rows when balanced; from 8 on 4 more than a
//    multiple of 8: 12, and 12, 20, 36 for 10.8, 19.5, 35.3
//  - adamw: norm 2*32, router 4*32, attention out 32*32, dense FFN 64*32, qkv 96*32, embedding 256*32; the experts of
//    two slots 2*48*32 = 3072 as well
//  - check_gradients: in both layers 2 norms, qkv, out: 4224; with 2 matrices of the FFN 8320; with the router and 2 of
//    experts 10496; outside layers the tied embedding and a norm: 8256
TEST(CollectShapes, ListsEveryOperatorOfAStepWithItsRows) {
  const std::vector<std::string> expected = {
      "embed|f32|n=256,k=32: 8 | 4 16",
      "norm|f32|k=32: 8 | 4 16",
      "linear|f32|n=96,k=32: 8 | 4 16",
      "attention|f32|sequence=8,heads=2,kv_heads=2,head_dim=16,causal_square=1: 8 | 16",
      "linear|f32|n=32,k=32: 8 | 4 16",
      "add|f32|k=32: 8 | 4 16",
      "linear|f32|n=64,k=32: 8 | 4 16",
      "activation|f32|n=64: 8 | 4 16",
      "linear|f32|n=32,k=64: 8 | 4 16",
      "router|f32|n=4,k=32,top_k=2: 8 | 4 16",
      "permute|f32|k=32,top_k=2: 16 | 2 64 | 4 6 12 20 36",
      "regroup|f32|k=32: 16 | 1 64 | 2 3 6 11 20 35",
      "experts|f32|n=48,k=32: 12 | 1 64 | 2 3 6 20 36",
      "unpermute|f32|k=32,top_k=2: 16 | 2 64 | 4 6 12 20 36",
      "linear|f32|n=256,k=32: 8 | 4 16",
      "cross_entropy|f32|n=256: 8 | 4 16",
      "linear_dgrad|f32|n=256,k=32: 8 | 4 16",
      "linear_wgrad|f32|n=256,k=32: 8 | 4 16",
      "norm_backward|f32|k=32: 8 | 4 16",
      "unpermute_backward|f32|k=32,top_k=2: 16 | 2 64 | 4 6 12 20 36",
      "experts_dgrad|f32|n=48,k=32: 12 | 1 64 | 2 3 6 20 36",
      "experts_wgrad|f32|n=48,k=32: 12 | 1 64 | 2 3 6 20 36",
      "router_backward|f32|n=4,k=32,top_k=2: 8 | 4 16",
      "permute_backward|f32|k=32,top_k=2: 16 | 2 64 | 4 6 12 20 36",
      "linear_dgrad|f32|n=32,k=32: 8 | 4 16",
      "linear_wgrad|f32|n=32,k=32: 8 | 4 16",
      "attention_backward|f32|sequence=8,heads=2,kv_heads=2,head_dim=16,causal_square=1: 8 | 16",
      "linear_dgrad|f32|n=96,k=32: 8 | 4 16",
      "linear_wgrad|f32|n=96,k=32: 8 | 4 16",
      "linear_dgrad|f32|n=32,k=64: 8 | 4 16",
      "linear_wgrad|f32|n=32,k=64: 8 | 4 16",
      "activation_backward|f32|n=64: 8 | 4 16",
      "linear_dgrad|f32|n=64,k=32: 8 | 4 16",
      "linear_wgrad|f32|n=64,k=32: 8 | 4 16",
      "embed_backward|f32|n=256,k=32: 8 | 4 16",
      "check_gradients|f32: 8256 8320 10496 | 4128 20992",
      "adamw|f32: 64 128 1024 2048 3072 8192 | 32 16384",
  };
  EXPECT_EQ(lines_of({tiny_plan(2)}), expected);
}

// The same model on one rank: 16 tokens, 32 routed rows, at most 64; no regrouping. Together with the plan above, fixed
// rows are those of both, 8 and 16; balanced permutations move 16 or 32 rows.
TEST(CollectShapes, UnitesPlansOfDifferentSizes) {
  const std::vector<std::string> lines = lines_of({tiny_plan(2), tiny_plan(1)});
  ASSERT_EQ(lines.size(), 37u);
  EXPECT_EQ(lines[1], "norm|f32|k=32: 8 16 | 4 32");
  EXPECT_EQ(lines[10], "permute|f32|k=32,top_k=2: 16 32 | 2 64 | 4 6 12 20 36");
}

// In bf16, rows on their way to the experts are bf16 and those on their way back f32.
TEST(CollectShapes, TellsRowsInBf16FromRowsInF32) {
  Plan plan = tiny_plan(2);
  plan.workload.compute_dtype = DType::bf16;
  const std::vector<std::string> lines = lines_of({plan});
  ASSERT_EQ(lines.size(), 38u);  // one more than above
  EXPECT_EQ(lines[10], "permute|bf16|k=32,top_k=2: 16 | 2 64 | 4 6 12 20 36");
  EXPECT_EQ(lines[11], "regroup|bf16|k=32: 16 | 1 64 | 2 3 6 11 20 35");
  EXPECT_EQ(lines[13], "regroup|f32|k=32: 16 | 1 64 | 2 3 6 11 20 35");
}

}  // namespace
}  // namespace moesaic::executor
