// BlockStore against an array in memory, and its rules.

#include "executor/store/block_store.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <set>

#include "tests/executor/store/engine_param.h"

namespace moesaic::executor {
namespace {

class BlockStoreOnEngine : public EngineTest {};
MOESAIC_FOR_BOTH_ENGINES(BlockStoreOnEngine);

// 2000 random reads and writes of 24 blocks with up to 8 in flight. The oracle is a number per block: the version that
// was written last, 0 at first; every word of a block of version v holds v. Blocks in flight are left alone.
TEST_P(BlockStoreOnEngine, IsAnArrayOfBlocks) {
  constexpr int kBlocks = 24, kInFlight = 8, kRequests = 2000;
  constexpr int64_t kPayload = 10000;  // padded to 12288
  struct Slot {
    AlignedBuffer memory{kPayload};
    Ticket ticket;
    int64_t block = -1;
    uint64_t expected = 0;
    bool is_read = false;
  };
  BlockStore store(folder.path(), kBlocks, kPayload, options());
  ASSERT_EQ(store.block_bytes(), 12288);
  std::vector<Slot> slots(kInFlight);
  std::vector<uint64_t> version(kBlocks, 0);
  std::set<int64_t> busy;
  std::mt19937_64 random(1);
  uint64_t next_version = 1;
  int64_t reads = 0, writes = 0;
  const auto finish = [&](Slot& slot) {
    store.wait(slot.ticket);
    const auto* words = reinterpret_cast<const uint64_t*>(slot.memory.data());
    if (slot.is_read) {
      ASSERT_TRUE(std::all_of(words, words + 12288 / 8, [&](uint64_t word) { return word == slot.expected; }));
    }
    busy.erase(slot.block);
  };
  for (int request = 0; request < kRequests; ++request) {
    Slot& slot = slots[random() % kInFlight];
    if (slot.block >= 0) finish(slot);
    do {
      slot.block = static_cast<int64_t>(random() % kBlocks);
    } while (!busy.insert(slot.block).second);
    slot.is_read = random() % 2 == 0;
    if (slot.is_read) {
      slot.expected = version[slot.block];
      slot.ticket = store.read(slot.block, slot.memory.data());
      ++reads;
    } else {
      version[slot.block] = next_version;
      std::fill_n(reinterpret_cast<uint64_t*>(slot.memory.data()), 12288 / 8, next_version++);
      slot.ticket = store.write(slot.block, slot.memory.data());
      ++writes;
    }
  }
  for (Slot& slot : slots) finish(slot);
  EXPECT_EQ(store.traffic(), (BlockTraffic{reads, writes, reads * 12288, writes * 12288}));
}

// Nothing orders two requests on one block, so the second may begin only once the first was seen to end: even where
// the disk has long finished, only done() or wait() tells.
TEST_P(BlockStoreOnEngine, WantsTheUseBeforeToHaveEnded) {
  BlockStore store(folder.path(), 2, kFileAlignment, options());
  AlignedBuffer first(kFileAlignment), second(kFileAlignment);
  std::memset(first.data(), 1, kFileAlignment);
  const Ticket write = store.write(0, first.data());
  EXPECT_THROW(store.read(0, second.data()), InvariantError);
  EXPECT_THROW(store.write(0, second.data()), InvariantError);
  store.wait(write);
  const Ticket read = store.read(0, first.data()), read_too = store.read(0, second.data());
  EXPECT_THROW(store.write(0, first.data()), InvariantError);
  store.wait(read);
  EXPECT_THROW(store.write(0, first.data()), InvariantError);
  while (!store.done(read_too)) continue;
  EXPECT_EQ(second.data()[kFileAlignment - 1], std::byte{1});
  store.wait(store.write(0, first.data()));
  // What was refused was not counted.
  EXPECT_EQ(store.traffic(), (BlockTraffic{2, 2, 8192, 8192}));
}

TEST_P(BlockStoreOnEngine, LeavesNoFile) {
  AlignedBuffer buffer(kFileAlignment);
  BlockStore store(folder.path(), 4, kFileAlignment, options());
  store.read(3, buffer.data());
  EXPECT_TRUE(folder.empty());  // even while the store lives
}

TEST(BlockStore, KnowsItsBlocks) {
  const TemporaryFolder folder;
  BlockStore store(folder.path(), 4, 1);
  AlignedBuffer buffer(kFileAlignment);
  EXPECT_EQ(store.num_blocks(), 4);
  EXPECT_THROW(store.read(4, buffer.data()), InvariantError);
  EXPECT_THROW(store.write(-1, buffer.data()), InvariantError);
  EXPECT_THROW(BlockStore(folder.path(), 0, 1), InvariantError);
}

TEST(BlockStore, NamesAFolderThatDoesNotExist) {
  EXPECT_EQ(message_of<DeviceError>([] { BlockStore("/no/such/folder", 1, 1); }),
            "/no/such/folder: making a block store failed: No such file or directory");
}

// 16 blocks of 2^58 bytes are 2^62, which no file system has.
TEST(BlockStore, NamesWhatAFullDiskLacks) {
  const TemporaryFolder folder;
  const std::string message = message_of<DeviceError>([&] { BlockStore(folder.path(), 16, int64_t{1} << 58); });
  EXPECT_NE(message.find(folder.path() + "/moesaic-blocks-"), std::string::npos) << message;
  EXPECT_NE(message.find("reserving 4611686018427387904 bytes failed: No space left on device ("), std::string::npos)
      << message;
  EXPECT_NE(message.find(" bytes free)"), std::string::npos) << message;
  EXPECT_TRUE(folder.empty());
}

}  // namespace
}  // namespace moesaic::executor
