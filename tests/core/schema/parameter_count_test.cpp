#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "tests/core/schema/shipped_documents.h"

namespace moesaic {
namespace {

ParameterCount count_of(const std::string& name) {
  const std::string path = testing::profiles("models/" + name + ".json");
  return count_parameters(read_model(read_json(path), path));
}

// SE-MoE, 12 layers, all MoE, h = 4096, V = 50304:
//   S = 12 E 8 h^2 = E * 1,610,612,736      D = 12 * 4 h^2 + V h = 805,306,368 + 206,045,184 = 1,011,351,552
TEST(ParameterCount, ReproducesTheFirstTableOfSeMoeExactly) {
  struct Row {
    const char* name;
    int64_t sparse, total;
  };
  constexpr Row kTable[] = {{"semoe-13.9b", 12884901888, 13896253440},
                            {"semoe-26.8b", 25769803776, 26781155328},
                            {"semoe-52.6b", 51539607552, 52550959104},
                            {"semoe-104.1b", 103079215104, 104090566656},
                            {"semoe-207.2b", 206158430208, 207169781760}};
  for (const Row& row : kTable) {
    SCOPED_TRACE(row.name);
    const ParameterCount count = count_of(row.name);
    EXPECT_EQ(count.sparse, row.sparse);
    EXPECT_EQ(count.dense, 1011351552);
    EXPECT_EQ(count.total(), row.total);
  }
}

// 24 layers, 12 of them MoE: S = 12 E 8 h^2, D = 24 * 4 h^2 + 12 * 8 h^2 + V h
//   = 1,610,612,736 + 1,610,612,736 + 206,045,184 = 3,427,270,656
TEST(ParameterCount, ReproducesEveryOtherLayerModelsExactly) {
  EXPECT_EQ(count_of("semoe-106.5b"), (ParameterCount{3427270656, 103079215104, count_of("semoe-106.5b").uncounted}));
  EXPECT_EQ(count_of("semoe-106.5b").total(), 106506485760);
  EXPECT_EQ(count_of("semoe-209.6b").total(), 209585700864);
}

// gpt-moe-tiny: h = 128, F = 512, E = 8, V = 256, 4 layers, all MoE.
//   sparse 4 * 8 * 2 * 128 * 512 = 4,194,304     dense 4 * 4 * 128^2 + 256 * 128 = 262,144 + 32,768 = 294,912
//   uncounted: router 4 * 8 * 128 = 4,096; norms 4 * 2 * 2 * 128 + 2 * 128 = 2,304
TEST(ParameterCount, KeepsRouterAndNormsOfGptMoeApart) {
  EXPECT_EQ(count_of("gpt-moe-tiny"), (ParameterCount{294912, 4194304, 6400}));
}

// 8 experts * 3 * 4096 * 14336 * 32 layers = 45,097,156,608. Dense: embeddings 2 * 32000 * 4096 = 262,144,000;
// attention 32 * (4096 * 6144 + 4096^2) = 1,342,177,280; router 32 * 8 * 4096 = 1,048,576; norms 65 * 4096 = 266,240.
TEST(ParameterCount, CountsMixtralExactly) {
  EXPECT_EQ(count_of("mixtral-8x7b"), (ParameterCount{1605636096, 45097156608, 0}));
}

// 16 layers * 64 experts * 3 * 2048 * 1024 = 6,442,450,944. Dense: embeddings 2 * 50304 * 2048 = 206,045,184; attention
// 16 * 4 * 2048^2 = 268,435,456; routers 16 * 64 * 2048 = 2,097,152; norms 33 * 2048 = 67,584; query and key norms over
// all heads 16 * 2 * 2048 = 65,536.
TEST(ParameterCount, CountsOlmoeExactly) {
  EXPECT_EQ(count_of("olmoe-1b-7b"), (ParameterCount{476710912, 6442450944, 0}));
}

TEST(ParameterCount, IsWithinHalfAPercentOfPublishedTotals) {
  struct Row {
    const char* name;
    double total;
  };
  constexpr Row kPublished[] = {{"mixtral-8x7b", 46.7e9},
                                {"qwen3-30b-a3b", 30.5e9},
                                {"deepseek-v3", 671e9},
                                {"olmoe-1b-7b", 6.92e9},
                                {"gpt-oss-120b", 116.8e9}};
  for (const Row& row : kPublished) {
    SCOPED_TRACE(row.name);
    EXPECT_NEAR(static_cast<double>(count_of(row.name).total()) / row.total, 1, 0.005);
  }
}

// DeepSeek-V3: 58 MoE layers * 256 experts * 3 * 7168 * 2048 = 653,908,770,816. Dense, per layer: q_a 7168 * 1536, q_b
// 1536 * 128 * 192, kv_a 7168 * 576, kv_b 512 * 128 * 256, o 16384 * 7168 = 187,105,280 and norms 1536 + 512 + 2 * 7168
// = 16,384: 61 * 187,121,664 = 11,414,421,504. 3 dense FFN of 3 * 7168 * 18432 = 1,189,085,184; 58 shared experts of
// 44,040,192 = 2,554,331,136; routers 58 * 256 * 7169 = 106,445,312; embeddings 2 * 129280 * 7168 = 1,853,358,080; last
// norm 7168. Sum 17,117,648,384.
TEST(ParameterCount, CountsLatentAttentionOfDeepseekExactly) {
  EXPECT_EQ(count_of("deepseek-v3"), (ParameterCount{17117648384, 653908770816, 0}));
}

}  // namespace
}  // namespace moesaic
