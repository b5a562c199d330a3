// What one number of ranks has saved any other loads: the same elements of the same tensors.
#include <gtest/gtest.h>

#include "tests/executor/checkpoint/toy_state.h"

namespace moesaic::executor {
namespace {

// 1 -> 2 -> 4 -> 3 ranks, experts placed differently each time; every run loads what the one before has saved.
TEST(Reshard, PassesTheStateOnFromRanksToRanks) {
  const TestFolder folder;
  FileSystem files;
  save_steps(files, folder.path, {.ranks = 1}, {1});
  int64_t step = 1;
  for (const auto& [ranks, rotation] : std::vector<std::pair<int, int>>{{2, 1}, {4, 5}, {3, 2}, {1, 0}}) {
    LocalWorld world(ranks);
    std::vector<int64_t> wrong(static_cast<size_t>(ranks), -1);
    run_ranks(world, [&, ranks = ranks, rotation = rotation](Transport& transport) {
      Communicator communicator(transport, all_ranks(ranks), 0);
      const FoundCheckpoint found = find_checkpoint(files, folder.path, communicator);
      ASSERT_TRUE(found.manifest.has_value());
      EXPECT_EQ(found.rejected, std::vector<RejectedFile>{});
      EXPECT_EQ(found.manifest->step, step);
      std::vector<LocalArray> arrays = toy_arrays(transport.rank(), ranks, rotation);
      load_checkpoint(files, folder.path, *found.manifest, as_loaded(arrays));
      for (LocalArray& array : arrays) wrong[static_cast<size_t>(transport.rank())] += array.wrong(step);
    });
    EXPECT_EQ(wrong, std::vector<int64_t>(static_cast<size_t>(ranks), -1));
    save_steps(files, folder.path, {.ranks = ranks, .rotation = rotation, .loaded_step = step}, {step + 1});
    ++step;
  }
}

// A rank may hold an element twice (replicas), or only some of a tensor; gaps of its memory stay as they were.
TEST(Reshard, LoadsReplicasAndPartsAndNothingElse) {
  const TestFolder folder;
  FileSystem files;
  save_steps(files, folder.path, {.ranks = 3}, {4});
  LocalArray array;
  array.data.assign(40, -1);
  array.pieces = {{"bias", 30, 0, 0, 0, 10, 1}, {"bias", 33, 0, 12, 0, 4, 1}, {"matrix", 17, 40, 20, 6, 5, 3}};
  load_checkpoint(files, folder.path, *find_checkpoint(files, folder.path).manifest,
                  {{array.data.data(), array.pieces}});
  EXPECT_EQ(array.wrong(4), 0);
  for (size_t gap : {10, 11, 16, 17, 18, 19, 25, 31, 37, 38, 39}) EXPECT_EQ(array.data[gap], -1.0f) << gap;
}

TEST(Reshard, RefusesElementsThatNobodySaved) {
  const TestFolder folder;
  FileSystem files;
  save_steps(files, folder.path, {.ranks = 2}, {4});
  const Manifest manifest = *find_checkpoint(files, folder.path).manifest;
  std::vector<float> data(101);
  EXPECT_THROW(load_checkpoint(files, folder.path, manifest, {{data.data(), {{"bias", 0, 0, 0, 0, 101, 1}}}}),
               InputError);
  EXPECT_THROW(load_checkpoint(files, folder.path, manifest, {{data.data(), {{"gain", 0, 0, 0, 0, 1, 1}}}}),
               InputError);
}

TEST(Manifest, RoundTrips) {
  const Manifest manifest{
      7, "{\"loss\":2.5}", {{"step-000000007.shard-0", {20 * 4, ~uint64_t{0}}, packed({{"a", 3, 10, 0, 0, 5, 4}})}}};
  // 4 runs of 5, the last one ends at 3 + 3 * 10 + 5 = 38: 18 elements are missing.
  EXPECT_THROW(read_manifest(write_manifest(manifest), "file"), InputError);
  Manifest complete = manifest;
  complete.shards[0].pieces = packed({{"a", 0, 5, 0, 0, 5, 3}, {"a", 15, 0, 0, 0, 5, 1}});
  const Manifest read = read_manifest(write_manifest(complete), "file");
  EXPECT_EQ(read.step, 7);
  EXPECT_EQ(read.meta, manifest.meta);
  ASSERT_EQ(read.shards.size(), 1u);
  EXPECT_EQ(read.shards[0].file, complete.shards[0].file);
  EXPECT_EQ(read.shards[0].summary, complete.shards[0].summary);
  EXPECT_EQ(read.shards[0].pieces, complete.shards[0].pieces);
}

TEST(Manifest, KnowsItsNames) {
  EXPECT_EQ(manifest_name(6), "step-000000006.manifest");
  EXPECT_EQ(shard_name(1'234'567'890'123, 12), "step-1234567890123.shard-12");
  EXPECT_EQ(step_of_name("step-000000006.shard-2.tmp"), 6);
  EXPECT_EQ(step_of_name(manifest_name(1'234'567'890'123)), 1'234'567'890'123);
  for (const char* other : {"CURRENT", "step-6.manifest", "step-000000006", "step-00000000x.manifest",
                            "step-000000006.txt", "step--00000006.manifest"})
    EXPECT_EQ(step_of_name(other), std::nullopt) << other;
  EXPECT_TRUE(is_manifest_name("step-000000006.manifest"));
  EXPECT_FALSE(is_manifest_name("step-000000006.manifest.tmp"));
}

}  // namespace
}  // namespace moesaic::executor
