// A run that stops and goes on from its checkpoint is the run that never stopped: bit for bit on the same plan, within
// rounding on another plan or number of ranks.
#include <gtest/gtest.h>

#include <fstream>

#include "core/plan/plan.h"
#include "core/schema/documents.h"
#include "executor/runtime/training/trainer.h"
#include "tests/executor/checkpoint/toy_state.h"
#include "tests/executor/runtime/training/checkpointed_run.h"
#include "tests/executor/runtime/training/newest_checkpoint.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor {
namespace {

using testing::contents, testing::newest, testing::run;

/// As small_training.h's, on one node; the experts of both MoE layers placed as told.
Plan resumed_plan(int ranks, int ep, const std::vector<int>& slot_to_expert = {}, int zero = 0, int pp = 1) {
  Plan plan = testing::plan_of(1, ranks, ep);
  if (!slot_to_expert.empty()) plan.placement.assign(2, {8 / ep, slot_to_expert});
  plan.layout.zero = zero;
  plan.layout.pp = pp;
  check_plan(plan, "test");
  return plan;
}

struct ResumedShape {
  int ranks, ep, zero, pp = 1;
};

class SamePlan : public ::testing::TestWithParam<ResumedShape> {};

// Six steps, of which a checkpoint after three; then again three and three. With checkpoints after every step the bits
// are the same as without any.
TEST_P(SamePlan, ResumesBitForBit) {
  const TestFolder straight, parted, often;
  const auto& [ranks, ep, zero, pp] = GetParam();
  const Plan plan = resumed_plan(ranks, ep, {}, zero, pp);
  const std::vector<double> expected = run(plan, "", 6, false).loss;
  EXPECT_EQ(run(plan, straight.path, 6, false).loss, expected);
  EXPECT_EQ(run(plan, often.path, 6, false, 1).loss, expected);
  std::vector<double> losses = run(plan, parted.path, 3, false).loss;
  const TrainResult rest = run(plan, parted.path, 6, true);
  EXPECT_EQ(rest.start.step, 3);
  losses.insert(losses.end(), rest.loss.begin(), rest.loss.end());
  EXPECT_EQ(losses, expected);
  EXPECT_EQ(newest(parted.path), newest(straight.path));
  EXPECT_EQ(newest(often.path), newest(straight.path));
  EXPECT_NE(newest(often.path), contents(often.path + "/" + manifest_name(5)));
}

INSTANTIATE_TEST_SUITE_P(Ranks, SamePlan,
                         ::testing::Values(ResumedShape{1, 1, 0}, ResumedShape{2, 1, 0}, ResumedShape{2, 2, 0},
                                           ResumedShape{4, 2, 0}, ResumedShape{4, 4, 0}, ResumedShape{4, 2, 1},
                                           ResumedShape{4, 2, 2}, ResumedShape{4, 2, 3}, ResumedShape{2, 1, 0, 2},
                                           ResumedShape{4, 2, 1, 2}));

// 1 -> 2 -> 4 -> 4 -> 4 -> 2 ranks with shuffled experts, pipeline stages and divided states.
TEST(AnotherPlan, GoesOnWithinRounding) {
  const TestFolder folder;
  testing::expect_one_run_in_turns(
      {resumed_plan(1, 1), resumed_plan(2, 2), resumed_plan(4, 2, {5, 2, 7, 0, 1, 6, 3, 4}),
       resumed_plan(4, 2, {}, 1, 2), resumed_plan(4, 4, {}, 3), resumed_plan(2, 1, {7, 6, 5, 4, 3, 2, 1, 0}, 2)},
      resumed_plan(1, 1), folder.path);
}

// The newest checkpoint is damaged: the one before it is taken, the damage is told, the bits are the same in the end.
TEST(Resume, FallsBackAndSaysSo) {
  const TestFolder straight, damaged;
  const Plan plan = resumed_plan(2, 2);
  run(plan, straight.path, 6, false, 2);
  run(plan, damaged.path, 4, false, 2);
  std::ofstream(damaged.path + "/" + shard_name(4, 1), std::ios::binary | std::ios::in).seekp(1000).put('x');
  const TrainResult result = run(plan, damaged.path, 6, true, 2);
  EXPECT_EQ(result.start.step, 2);
  ASSERT_EQ(result.start.rejected.size(), 1u);
  EXPECT_EQ(result.start.rejected[0].file, shard_name(4, 1));
  EXPECT_EQ(newest(damaged.path), newest(straight.path));
}

TEST(Resume, OfNothingBeginsAndOfACompleteRunDoesNothing) {
  const TestFolder folder;
  const Plan plan = resumed_plan(2, 1);
  EXPECT_EQ(run(plan, folder.path, 2, true).start.step, 0);
  const std::string before = newest(folder.path);
  const TrainResult again = run(plan, folder.path, 2, true);
  EXPECT_EQ(again.start.step, 2);
  EXPECT_EQ(again.loss, std::vector<double>{});
  EXPECT_EQ(newest(folder.path), before);
}

// Experts in host memory or on storage are saved as those on the device are, and loaded to wherever they live.
TEST(Resume, OfExpertsThatLiveElsewhere) {
  const TestFolder on_device;
  const Plan plan = resumed_plan(2, 2);
  const std::vector<double> expected = run(plan, on_device.path, 6, false).loss;
  for (Tier home : {Tier::host, Tier::storage}) {
    const TestFolder folder;
    Plan elsewhere = plan;
    elsewhere.cluster.storage_read_bytes_per_s = elsewhere.cluster.storage_write_bytes_per_s = 1e9;
    elsewhere.expert_storage.home = home;
    elsewhere.expert_storage.cache_entries = home == Tier::storage ? 3 : 0;
    std::vector<double> losses = run(elsewhere, folder.path, 2, false, 1).loss;
    for (const auto& [next, steps] : {std::pair{plan, 3}, std::pair{elsewhere, 5}, std::pair{elsewhere, 6}}) {
      const std::vector<double> more = run(next, folder.path, steps, true, 1).loss;
      losses.insert(losses.end(), more.begin(), more.end());
    }
    EXPECT_EQ(losses, expected);
  }
}

std::string resume_refusal(const Plan& plan, const std::string& folder, bool resume) {
  try {
    run(plan, folder, 4, resume);
  } catch (const InputError& error) {
    return error.what();
  }
  return "nothing is refused";
}

TEST(Resume, RefusesWhatIsAnotherRun) {
  const TestFolder folder;
  const Plan plan = resumed_plan(2, 2);
  run(plan, folder.path, 2, false);
  Plan other_model = plan, other_optimizer = plan, other_name = plan;
  other_model.model.expert_intermediate = 64;
  other_optimizer.workload.optimizer.beta2 = 0.99;
  other_name.model.name = "the same under another name";
  EXPECT_NE(resume_refusal(plan, folder.path, false).find("holds checkpoints of another run"), std::string::npos);
  EXPECT_NE(resume_refusal(other_model, folder.path, true).find("/meta/model/"), std::string::npos);
  EXPECT_NE(
      resume_refusal(other_optimizer, folder.path, true).find("/meta/optimizer/beta2: is 0.95, the plan's is 0.99"),
      std::string::npos)
      << resume_refusal(other_optimizer, folder.path, true);
  EXPECT_EQ(resume_refusal(other_name, folder.path, true), "nothing is refused");
  EXPECT_NE(resume_refusal(plan, "/nonexistent/folder/checkpoints", false).find("cannot be made"), std::string::npos);
}

// All ranks hear of it, and the run that has the folder goes on.
TEST(Resume, RefusesAFolderThatIsInUse) {
  const TestFolder folder;
  FileSystem files;
  const FolderLock lock(files, folder.path);
  EXPECT_NE(resume_refusal(resumed_plan(2, 2), folder.path, true).find("is in use by process"), std::string::npos);
}

// The same text again, one with another byte in the middle, and a checkpoint that does not say what it was trained on.
TEST(Resume, WarnsOfAnotherCorpus) {
  const TestFolder folder;
  const Plan plan = resumed_plan(2, 2);
  std::vector<uint8_t> bytes = testing::corpus_bytes();
  bytes[bytes.size() / 2] ^= 1;
  std::vector<std::string> warnings;
  TrainOptions options;
  options.on_warning = [&](const std::string& what) { warnings.push_back(what); };
  for (const Corpus& corpus : {testing::corpus(), testing::corpus(), Corpus(bytes)}) {
    ++options.steps;
    options.checkpoint = {folder.path, 1, options.steps > 11};
    train_on_threads(plan, corpus, options);
  }
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0], folder.path + "/step-000000012.manifest was trained on another corpus: \"" +
                             testing::corpus().identity() + "\", this one is \"" + Corpus(bytes).identity() + "\"");
}

// 8,192 bytes are less than 64 blocks of 4,096: any byte counts. Of 1 MiB, the first and the last do.
TEST(Corpus, IdentityIsItsSizeAndSampledBytes) {
  const Corpus corpus = testing::corpus();
  EXPECT_EQ(corpus.identity().substr(0, 17), "8,192 bytes, hash");
  EXPECT_EQ(Corpus(testing::corpus_bytes()).identity(), corpus.identity());
  const std::vector<uint8_t> large(1 << 20, 'a');
  for (const std::vector<uint8_t>& bytes : {testing::corpus_bytes(), large})
    for (const size_t at : {size_t{0}, bytes.size() - 1}) {
      std::vector<uint8_t> other = bytes;
      other[at] ^= 1;
      EXPECT_NE(Corpus(other).identity(), Corpus(bytes).identity());
    }
  EXPECT_NE(Corpus(std::vector<uint8_t>(3, 'a')).identity(), Corpus(std::vector<uint8_t>(4, 'a')).identity());
}

TEST(Resume, RefusesWhenNothingIsWhole) {
  const TestFolder folder;
  const Plan plan = resumed_plan(1, 1);
  run(plan, folder.path, 2, false);
  std::filesystem::resize_file(folder.path + "/" + shard_name(2, 0), 100);
  EXPECT_NE(resume_refusal(plan, folder.path, true).find("holds no checkpoint that is whole: step-000000002.shard-0"),
            std::string::npos);
  EXPECT_NE(resume_refusal(plan, folder.path, false).find("another run"), std::string::npos);
}

}  // namespace
}  // namespace moesaic::executor
