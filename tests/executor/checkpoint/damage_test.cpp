// Torn and corrupt files: whatever a disk does to them is noticed, named, and never loaded.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tests/executor/checkpoint/toy_state.h"

namespace moesaic::executor {
namespace {

std::string contents(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void replace(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// Two checkpoints of two ranks, steps 1 and 2, and the files that matter for loading step 2.
class Damage : public ::testing::Test {
 protected:
  Damage() { save_steps(files_, folder_.path, {.ranks = 2, .block_bytes = 1024}, {1, 2}); }

  std::string path(const std::string& name) const { return folder_.path + "/" + name; }

  /// Loads step 1, or step 2 where CURRENT alone is damaged; names the file and no other.
  void expect_detected(const std::string& name, const std::string& how) {
    const FoundCheckpoint found = find_checkpoint(files_, folder_.path);
    ASSERT_TRUE(found.manifest.has_value()) << name << " " << how;
    EXPECT_EQ(found.manifest->step, name == kCurrent ? 2 : 1) << name << " " << how;
    ASSERT_EQ(found.rejected.size(), 1u) << name << " " << how;
    EXPECT_EQ(found.rejected[0].file, name) << how;
    EXPECT_FALSE(found.rejected[0].problem.empty());
  }

  TestFolder folder_;
  FileSystem files_;
  const std::vector<std::string> names_ = {kCurrent, manifest_name(2), shard_name(2, 0), shard_name(2, 1)};
};

// 10,000 flips, over the four files in turn. The previous checkpoint is loaded and compared in every hundredth trial:
// it is the same each time.
TEST_F(Damage, EveryFlippedBitIsDetected) {
  constexpr int kFlips = 10'000;
  uint64_t random = 20261122;
  for (int trial = 0; trial < kFlips; ++trial) {
    const std::string& name = names_[static_cast<size_t>(trial) % names_.size()];
    const std::string whole = contents(path(name));
    random = splitmix64(random);
    const size_t bit = random % (whole.size() * 8);
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    replace(path(name), damaged);
    expect_detected(name, "bit " + std::to_string(bit));
    if (trial % 100 == 0) {
      const FoundCheckpoint found = find_checkpoint(files_, folder_.path);
      EXPECT_EQ(wrong_elements(files_, folder_.path, *found.manifest, 3), 0);
    }
    replace(path(name), whole);
    if (HasFailure()) break;
  }
  EXPECT_EQ(find_checkpoint(files_, folder_.path).manifest->step, 2);
}

TEST_F(Damage, EveryTruncationAndExtensionIsDetected) {
  for (const std::string& name : names_) {
    const std::string whole = contents(path(name));
    for (size_t size = 0; size < whole.size(); size += size < 64 || size + 96 > whole.size() ? 1 : 31) {
      replace(path(name), whole.substr(0, size));
      expect_detected(name, "cut to " + std::to_string(size));
    }
    for (const std::string& more : {std::string(1, '\0'), std::string(4096, '\0'), whole}) {
      replace(path(name), whole + more);
      expect_detected(name, "and " + std::to_string(more.size()) + " bytes more");
    }
    replace(path(name), whole);
  }
}

TEST_F(Damage, ZeroedAndMissingFilesAreDetected) {
  for (const std::string& name : names_) {
    const std::string whole = contents(path(name));
    for (size_t begin = 0; begin < whole.size(); begin += 512) {
      std::string damaged = whole;
      const size_t count = std::min<size_t>(512, whole.size() - begin);
      damaged.replace(begin, count, std::string(count, '\0'));
      replace(path(name), damaged);
      expect_detected(name, "zeros from " + std::to_string(begin));
    }
    replace(path(name), std::string(whole.size(), '\0'));
    expect_detected(name, "all zero");
    if (name != kCurrent) {
      std::filesystem::remove(path(name));
      expect_detected(name, "missing");
    }
    replace(path(name), whole);
  }
}

// A file that is whole, but not the right one: the other rank's shard, the shard and the manifest of another step.
TEST_F(Damage, ExchangedFilesAreDetected) {
  for (const auto& [to, from] : std::vector<std::pair<std::string, std::string>>{{shard_name(2, 0), shard_name(2, 1)},
                                                                                 {shard_name(2, 1), shard_name(1, 1)},
                                                                                 {manifest_name(2), manifest_name(1)},
                                                                                 {kCurrent, shard_name(2, 0)}}) {
    const std::string whole = contents(path(to));
    replace(path(to), contents(path(from)));
    expect_detected(to, "is " + from);
    replace(path(to), whole);
  }
}

// Shards of several hundred KiB: cuts at every 4 KiB. Both checkpoints damaged: nothing is loaded, both are named.
TEST(LargeDamage, TruncationAtEveryPageAndNothingLeft) {
  const TestFolder folder;
  FileSystem files;
  LocalWorld world(1);
  Communicator communicator(world.transport(0), {0}, 0);
  CheckpointWriter writer(files, communicator, {folder.path, 2, -1, 65536});
  std::vector<float> data(100'000);
  for (int64_t step : {1, 2}) {
    for (size_t i = 0; i < data.size(); ++i) data[i] = value_of("x", static_cast<int64_t>(i), step);
    writer.save(step, {{data.data(), {{"x", 0, 0, 0, 0, 100'000, 1}}}}, "{}");
    writer.wait();
  }
  const std::string name = folder.path + "/" + shard_name(2, 0), whole = contents(name);
  ASSERT_EQ(whole.size(), 400'000u + 7 * 4 + 32);  // ceil(400000 / 65536) = 7 checksums
  for (size_t size = 0; size < whole.size(); size += 4096) {
    replace(name, whole.substr(0, size));
    const FoundCheckpoint found = find_checkpoint(files, folder.path);
    EXPECT_EQ(found.manifest->step, 1);
    ASSERT_EQ(found.rejected.size(), 1u);
    EXPECT_EQ(found.rejected[0].file, shard_name(2, 0));
  }
  replace(folder.path + "/" + shard_name(1, 0), "");
  const FoundCheckpoint none = find_checkpoint(files, folder.path);
  EXPECT_FALSE(none.manifest.has_value());
  ASSERT_EQ(none.rejected.size(), 2u);
  EXPECT_EQ(none.rejected[1], (RejectedFile{shard_name(1, 0), "is cut off: 0 bytes"}));
}

// All ranks come to the same decision although each has verified other shards.
TEST_F(Damage, RanksAgreeOnWhatIsWhole) {
  const std::string whole = contents(path(shard_name(2, 1)));
  replace(path(shard_name(2, 1)), whole.substr(1));
  LocalWorld world(4);
  run_ranks(world, [&](Transport& transport) {
    Communicator communicator(transport, {0, 1, 2, 3}, 0);
    const FoundCheckpoint found = find_checkpoint(files_, folder_.path, communicator);
    EXPECT_EQ(found.manifest->step, 1);
    ASSERT_EQ(found.rejected.size(), 1u);
    EXPECT_EQ(found.rejected[0].file, shard_name(2, 1));
  });
}

}  // namespace
}  // namespace moesaic::executor
