#include "executor/runtime/residency/expert_blocks.h"

#include <gtest/gtest.h>

#include "tests/executor/store/temporary_folder.h"

namespace moesaic::executor {
namespace {

constexpr Bytes kBytes = 5000, kStored = 8192;  // padded to 4096
using Kind = ExpertMove::Kind;

/// 4 blocks; the first word of block b is b.
void fill(ExpertBlocks& blocks) {
  for (int64_t block = 0; block < 4; ++block) {
    const SharedStates states = blocks.make();
    states->data()[0] = static_cast<float>(block);
    blocks.put(block, states);
  }
}

void wait_for(ExpertBlocks& blocks) {
  while (!blocks.poll()) {
  }
}

TEST(ExpertBlocks, OfHostMemoryAreAllKept) {
  PeakBytes host;
  ExpertBlocks blocks(Tier::host, 4, kBytes, "", host);
  fill(blocks);
  EXPECT_FALSE(blocks.on_storage());
  EXPECT_EQ(host.live(), 4 * kBytes);
  EXPECT_EQ(blocks.storage_bytes(), 0);
  for (int64_t block = 0; block < 4; ++block) EXPECT_EQ(blocks.kept(block)->data()[0], static_cast<float>(block));
  EXPECT_EQ(blocks.open(2), blocks.kept(2));
  EXPECT_TRUE(blocks.poll());
}

// Blocks 1 and 2 come, 1 stays; then it is changed and leaves for storage, and comes again as it left, with its steps.
TEST(ExpertBlocks, ComeFromStorageAndGoBack) {
  const TemporaryFolder folder;
  PeakBytes host;
  ExpertBlocks blocks(Tier::storage, 4, kBytes, folder.path(), host);
  fill(blocks);
  EXPECT_EQ(host.live(), 0);
  EXPECT_EQ(blocks.storage_bytes(), 4 * kStored);
  EXPECT_EQ(blocks.bytes_written(), 0);  // first states are no traffic
  {
    const ExpertBlocks::Brought brought =
        blocks.carry_out({{}, {{Kind::kReadAndKeep, 1}, {Kind::kReadOnce, 2}}}, std::vector<int64_t>{1, 2});
    wait_for(blocks);
    EXPECT_EQ(brought.at(1)->data()[0], 1);
    EXPECT_EQ(brought.at(2)->data()[0], 2);
    EXPECT_EQ(blocks.kept(1), brought.at(1));
    EXPECT_EQ(host.live(), 2 * kBytes);
  }
  EXPECT_EQ(host.live(), kBytes);                                                  // block 2 was for once
  EXPECT_EQ(blocks.carry_out({}, std::vector<int64_t>{1}).at(1), blocks.kept(1));  // no move, it is here
  blocks.kept(1)->data()[0] = 10;
  blocks.kept(1)->steps = 6;
  blocks.carry_out({{}, {{Kind::kWriteAndDrop, 1}}}, {});
  wait_for(blocks);
  EXPECT_EQ(host.live(), 0);
  EXPECT_EQ(blocks.bytes_read(), 2 * kStored);
  EXPECT_EQ(blocks.bytes_written(), kStored);
  const SharedStates again = blocks.open(1);
  EXPECT_EQ(again->data()[0], 10);
  EXPECT_EQ(again->steps, 6);
}

// What is being written is not read from storage, where it may not stand yet.
TEST(ExpertBlocks, AreSharedWhileTheyAreWritten) {
  const TemporaryFolder folder;
  PeakBytes host;
  ExpertBlocks blocks(Tier::storage, 4, kBytes, folder.path(), host);
  fill(blocks);
  const SharedStates states = blocks.open(3);
  states->data()[0] = 30;
  blocks.changed(0, 3, states);
  blocks.write_through(0);
  const ExpertBlocks::Brought brought = blocks.carry_out({{}, {{Kind::kReadAndKeep, 3}}}, std::vector<int64_t>{3});
  EXPECT_EQ(brought.at(3), states);
  blocks.end_write_of(3);
  wait_for(blocks);
  blocks.write_through(0);  // nothing is left of the layer
  EXPECT_EQ(blocks.bytes_written(), kStored);
  EXPECT_EQ(blocks.bytes_read(), kStored);
}

}  // namespace
}  // namespace moesaic::executor
