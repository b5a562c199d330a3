// A table that is cut by columns trains as a whole one on every rank: what it looks up is the same to the bit, its
// gradient is the same sum in another order.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "executor/checkpoint/reader.h"
#include "tests/executor/checkpoint/toy_state.h"
#include "tests/executor/runtime/training/counted_peak.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor {
namespace {

using testing::losses;

struct PartitionCase {
  int nodes, per_node, ep, micro_batches, tp = 1;
  bool tied = false;
};

Plan embedding_plan(const PartitionCase& c, Embedding embedding) {
  Plan plan = testing::plan_of(c.nodes, c.per_node, c.ep);
  plan.model.tied_embeddings = c.tied;
  plan.layout.micro_batches = c.micro_batches;
  plan.layout.tp = c.tp;
  plan.embedding = embedding;
  return plan;
}

// Sums over ranks associate differently on another number of ranks: 2e-5, as in plan_equivalence_test.
TEST(UntiedHead, TrainsAlikeOnEveryNumberOfRanks) {
  const std::vector<double> expected = losses(embedding_plan({1, 1, 1, 2}, Embedding::replicated));
  for (const PartitionCase& c : {PartitionCase{1, 2, 2, 2}, PartitionCase{1, 4, 2, 2}}) {
    const std::vector<double> found = losses(embedding_plan(c, Embedding::replicated));
    for (size_t step = 0; step < found.size(); ++step) EXPECT_NEAR(found[step], expected[step], 2e-5 * expected[step]);
  }
  EXPECT_LT(expected.back(), expected.front());
  EXPECT_NE(expected, losses(testing::plan_of(1, 1, 1)));  // the tied head is another model
}

class EmbeddingPartition : public ::testing::TestWithParam<PartitionCase> {};

// A replicated table adds the tokens of each rank and then the ranks; a column the tokens of all ranks in one sum. The
// first loss has seen no gradient.
TEST_P(EmbeddingPartition, TrainsAsAReplicatedTable) {
  const std::vector<double> expected = losses(embedding_plan(GetParam(), Embedding::replicated));
  const std::vector<double> found = losses(embedding_plan(GetParam(), Embedding::column_partition));
  EXPECT_EQ(found[0], expected[0]);
  for (size_t step = 1; step < found.size(); ++step) EXPECT_NEAR(found[step], expected[step], 2e-5 * expected[step]);
}

/// A logical tensor of the newest checkpoint, whoever held it.
std::vector<float> saved(const std::string& folder, const std::string& tensor, int64_t elements) {
  FileSystem files;
  std::vector<float> values(static_cast<size_t>(elements));
  load_checkpoint(files, folder, *find_checkpoint(files, folder).manifest,
                  {{values.data(), {{tensor, 0, 0, 0, 0, elements, 1}}}});
  return values;
}

// After one step the first moment is a tenth of the gradient. That of the table [256, 32] sums at most 256 tokens in
// f32: 256 * 2^-24 = 1.5e-5 of the largest, and of a tied head as much again. Whatever else is trained
// has the same bits; 64 elements of each, which all of them have.
TEST_P(EmbeddingPartition, HasTheGradientOfTheWholeTable) {
  const TestFolder whole, cut;
  TrainOptions options;
  options.steps = 1;
  for (const Embedding embedding : {Embedding::replicated, Embedding::column_partition}) {
    options.checkpoint.folder = (embedding == Embedding::replicated ? whole : cut).path;
    train_on_threads(embedding_plan(GetParam(), embedding), testing::corpus(), options);
  }
  const std::vector<float> expected = saved(whole.path, "embedding.m", 256 * 32),
                           found = saved(cut.path, "embedding.m", 256 * 32);
  const float largest = *std::max_element(expected.begin(), expected.end());
  EXPECT_GT(largest, 0);
  for (size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(found[i], expected[i], (GetParam().tied ? 2 : 1) * 1.6e-5 * largest) << i;
  for (const char* same : {"final_norm.m", "layers.1.up.m", "layers.2.router.m", "layers.0.norm1.m"})
    EXPECT_EQ(saved(cut.path, same, 64), saved(whole.path, same, 64)) << same;
}

INSTANTIATE_TEST_SUITE_P(Ranks, EmbeddingPartition,
                         ::testing::Values(PartitionCase{1, 2, 1, 2}, PartitionCase{1, 2, 2, 1},
                                           PartitionCase{1, 4, 2, 2}, PartitionCase{2, 2, 4, 1},
                                           PartitionCase{1, 4, 2, 1, 2}, PartitionCase{1, 2, 2, 1, 1, true},
                                           PartitionCase{1, 4, 2, 2, 1, true}, PartitionCase{2, 2, 4, 4, 1, true},
                                           PartitionCase{1, 4, 2, 1, 2, true}));

class MeetsTheOtherTechniques : public ::testing::TestWithParam<bool> {};

// Nothing of these reads or writes the table, tied or not: the same bits.
TEST_P(MeetsTheOtherTechniques, WithTheSameBits) {
  const Plan base = embedding_plan({2, 2, 4, 1, 1, GetParam()}, Embedding::column_partition);
  const std::vector<double> expected = losses(base);
  Plan plan = base;
  plan.gradient_bucket_bytes = 30'000;
  plan.dispatch.chunks = 2;
  plan.dispatch.all_to_all = AllToAllKind::hierarchical_2d;
  plan.layout.recompute = Recompute::full;
  EXPECT_EQ(losses(plan), expected);
  for (int zero : {1, 2, 3}) {
    plan = base;
    plan.layout.zero = zero;
    plan.prefetch.dense = zero == 3;
    plan.expert_storage.home = Tier::host;
    EXPECT_EQ(losses(plan), expected) << zero;
  }
}

INSTANTIATE_TEST_SUITE_P(EmbeddingPartition, MeetsTheOtherTechniques, ::testing::Bool());

// bf16 keeps 8 bits of every factor of a product, as in plan_equivalence_test; where sums differ in the last bit of
// f32, some factors round apart: 2.4e-5 of the loss was seen.
TEST(EmbeddingPartition, TrainsInBFloat16WithATiedHead) {
  Plan plan = embedding_plan({1, 4, 2, 2, 1, true}, Embedding::column_partition);
  const std::vector<double> f32 = losses(plan);
  plan.workload.compute_dtype = DType::bf16;
  const std::vector<double> cut = losses(plan);
  plan.embedding = Embedding::replicated;
  const std::vector<double> whole = losses(plan);
  EXPECT_EQ(cut[0], whole[0]);
  for (size_t step = 0; step < cut.size(); ++step) {
    EXPECT_NEAR(cut[step], f32[step], 4e-3 * f32[step]);
    EXPECT_NEAR(cut[step], whole[step], 2e-4 * whole[step]);
  }
}

// One rank holds the whole table: other sums, as in layout_equivalence_test.
TEST(EmbeddingPartition, TrainsATiedHeadLikeOneRank) {
  const std::vector<double> expected = losses(embedding_plan({1, 1, 1, 2, 1, true}, Embedding::replicated));
  for (const PartitionCase& c :
       {PartitionCase{1, 2, 1, 2, 1, true}, PartitionCase{2, 2, 4, 2, 1, true}, PartitionCase{1, 4, 2, 2, 2, true}}) {
    const std::vector<double> found = losses(embedding_plan(c, Embedding::column_partition));
    for (size_t step = 0; step < found.size(); ++step) EXPECT_NEAR(found[step], expected[step], 2e-5 * expected[step]);
  }
}

class Resumes : public ::testing::TestWithParam<bool> {};

// Two steps each; a run goes on with another embedding on another number of ranks.
TEST_P(Resumes, FromAndToAReplicatedTable) {
  const TestFolder folder;
  const std::vector<double> expected = losses(embedding_plan({1, 2, 2, 2, 1, GetParam()}, Embedding::replicated));
  std::vector<double> found;
  for (const auto& [ranks, embedding] :
       {std::pair{4, Embedding::column_partition}, {2, Embedding::replicated}, {2, Embedding::column_partition}}) {
    TrainOptions options;
    options.steps = static_cast<int64_t>(found.size()) + 2;
    options.checkpoint = {folder.path, 10, !found.empty()};
    const Plan plan = embedding_plan({1, ranks, 2, 2, 1, GetParam()}, embedding);
    const std::vector<double> own = train_on_threads(plan, testing::corpus(), options).loss;
    found.insert(found.end(), own.begin(), own.end());
  }
  ASSERT_EQ(found.size(), expected.size());
  for (size_t step = 0; step < found.size(); ++step) EXPECT_NEAR(found[step], expected[step], 2e-5 * expected[step]);
}

INSTANTIATE_TEST_SUITE_P(EmbeddingPartition, Resumes, ::testing::Bool());

// Of weight, gradient and two moments of [256, 32] floats each of 4 ranks keeps a quarter: 131,072 * 3 / 4 bytes less,
// and the ids of all 128 tokens of a microbatch more.
TEST(EmbeddingPartition, KeepsAShareOfTheTable) {
  TrainOptions options;
  options.steps = 1;
  const auto peak = [&](Embedding embedding) {
    return train_on_threads(embedding_plan({1, 4, 4, 2}, embedding), testing::corpus(), options).memory.device_bytes;
  };
  EXPECT_GE(peak(Embedding::replicated) - peak(Embedding::column_partition), 98304 - 4 * 128);
}

// What ranks wait for each other with moves the peak of a run by less than 1 %. A table of 4096 rows is most of what
// there is: whole for the logits, twice where its columns are joined and where those of its gradient are split.
TEST(EmbeddingPartition, NeedsForATiedHeadWhatTheGraphSays) {
  TrainOptions options;
  options.steps = 1;
  Plan plan = embedding_plan({1, 4, 4, 2, 1, true}, Embedding::column_partition);
  plan.model.vocabulary = 4096;
  plan.workload.global_batch = 8;
  plan.workload.sequence_length = 4;
  const TrainResult result = train_on_threads(plan, testing::corpus(), options);
  const auto counted = static_cast<double>(testing::counted_peak(plan, result.routing));
  EXPECT_NEAR(static_cast<double>(result.memory.device_bytes), counted, 0.01 * counted);
}

}  // namespace
}  // namespace moesaic::executor
