// Which parts of a backward pass cuDNN is given, and which of its releases is asked; none of it needs a GPU.
#include "executor/cuda/attention_parts.h"

#include <gtest/gtest.h>

namespace moesaic::executor::cuda {
namespace {

constexpr Bytes kMiB = 1 << 20;

// 32 heads of 1000 tokens, padded to 1024: 2^5 * 2^20 * 2 bytes = 64 MiB of gradients of scores per sequence, and
// 8 MiB per kv head with its 4 query heads.
TEST(AttentionParts, KeepWithinTheLimit) {
  const AttentionShape whole{6, 1000, 32, 8, 128};
  EXPECT_EQ(score_bytes(whole), 6 * 64 * kMiB);
  EXPECT_EQ(backward_part(whole, 384 * kMiB), whole);
  EXPECT_EQ(backward_part(whole, 383 * kMiB), (AttentionShape{3, 1000, 32, 8, 128}));  // divisors of the batch
  EXPECT_EQ(backward_part(whole, 63 * kMiB), (AttentionShape{1, 1000, 16, 4, 128}));
  EXPECT_EQ(backward_part(whole, 1), (AttentionShape{1, 1000, 4, 1, 128}));
}

// 6 heads of 33 tokens: a sequence has 198 rows of scores, two have 396 = 4 * 99. Statistics of the second sequence
// would begin 792 bytes behind the first's, which is no multiple of 16; those of the third begin at 1584 = 16 * 99.
TEST(AttentionParts, BeginAtAlignedStatistics) {
  EXPECT_EQ(backward_part({8, 33, 6, 6, 64}, 1), (AttentionShape{2, 33, 6, 6, 64}));
  // A kv head with 4 query heads has 4 * 33 rows: every cut is on a boundary.
  EXPECT_EQ(backward_part({1, 33, 8, 2, 64}, 1), (AttentionShape{1, 33, 4, 1, 64}));
  // 3 kv heads of 2 query heads have 66 rows each: only one sequence with all of them, 198 rows, which is not cut.
  EXPECT_EQ(backward_part({1, 33, 6, 3, 64}, 1), (AttentionShape{1, 33, 6, 3, 64}));
}

// Of all shapes of up to 6 sequences and heads, each part begins on a boundary, and nothing that is aligned and as
// small as the limit asks was passed over.
TEST(AttentionParts, AreTheLargestAlignedOnesWithinTheLimit) {
  for (int64_t batch = 1; batch <= 6; ++batch)
    for (int64_t kv_heads = 1; kv_heads <= 6; ++kv_heads)
      for (int64_t seq : {5, 6, 8})
        for (Bytes limit : {1, 3, 8, 20}) {
          const AttentionShape whole{batch, seq, 2 * kv_heads, kv_heads, 8};
          const AttentionShape part = backward_part(whole, limit * score_bytes({1, seq, 2, 1, 8}));
          ASSERT_TRUE(part == whole || attention_rows(part) % 4 == 0);
          AttentionShape expected = whole;  // by trying all cuts, the largest first
          for (int64_t b = batch; b >= 1; --b)
            for (int64_t h = kv_heads; h >= 1; --h) {
              const bool cuts = batch % b == 0 && kv_heads % h == 0 && (h == kv_heads || b == 1);
              if (cuts && (2 * b * h * seq) % 4 == 0 && expected.batch * expected.kv_heads > limit)
                expected = {b, seq, 2 * h, h, 8};
            }
          ASSERT_EQ(part, expected) << batch << " sequences, " << kv_heads << " kv heads of " << seq << ", " << limit;
        }
}

TEST(CudnnRelease, IsAskedOnlyForGradientsThatItComputesRightly) {
  EXPECT_FALSE(cudnn_gradients_are_right(91100, 1000));
  EXPECT_FALSE(cudnn_gradients_are_right(91500, 1000));
  EXPECT_TRUE(cudnn_gradients_are_right(91500, 1024));
  EXPECT_TRUE(cudnn_gradients_are_right(91501, 1000));
  EXPECT_TRUE(cudnn_gradients_are_right(91900, 1000));
}

}  // namespace
}  // namespace moesaic::executor::cuda
