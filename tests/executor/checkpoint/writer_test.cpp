// The writer's promises where nothing fails: isolation, order, what stays; and what every single failing call leaves.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>

#include "tests/executor/checkpoint/toy_state.h"

namespace moesaic::executor {
namespace {

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  FileSystem().list(folder, names);
  std::erase_if(names, [](const std::string& name) { return name[0] == '.'; });
  return names;
}

/// Lets no write through before it is opened.
class Gate final : public FileSystem {
 public:
  ssize_t pwrite(int file, const void* data, size_t bytes, int64_t offset) override {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [&] { return open_; });
    return FileSystem::pwrite(file, data, bytes, offset);
  }
  void open_gate() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

// save() returns although no byte can be written, and what training does to the memory meanwhile is not saved.
TEST(Writer, SavesWhatStoodThereWhileTrainingGoesOn) {
  const TestFolder folder;
  Gate files;
  LocalWorld world(1);
  Communicator communicator(world.transport(0), {0}, 0);
  CheckpointWriter writer(files, communicator, {folder.path});
  std::vector<LocalArray> arrays = toy_arrays(0, 1);
  for (LocalArray& array : arrays) array.fill(1);
  writer.save(1, as_saved(arrays), "{}");
  for (int64_t step = 2; step < 5; ++step) {
    for (LocalArray& array : arrays) array.fill(step);
    EXPECT_FALSE(writer.poll());
  }
  EXPECT_EQ(writer.committed_step(), -1);
  files.open_gate();
  writer.wait();
  EXPECT_EQ(writer.committed_step(), 1);
  EXPECT_EQ(wrong_elements(files, folder.path, *find_checkpoint(files, folder.path).manifest, 2), 0);
}

TEST(Writer, KeepsTwo) {
  const TestFolder folder;
  FileSystem files;
  save_steps(files, folder.path, {.ranks = 2}, {2, 4, 6, 8});
  EXPECT_EQ(names_in(folder.path),
            (std::vector<std::string>{"CURRENT", "step-000000006.manifest", "step-000000006.shard-0",
                                      "step-000000006.shard-1", "step-000000008.manifest", "step-000000008.shard-0",
                                      "step-000000008.shard-1"}));
}

// 8 turned out to be damaged and 6 was loaded; 7 is written. Of 6 and 8, which both have manifests, 6 is the one to
// keep.
TEST(Writer, KeepsTheOneThatWasLoaded) {
  const TestFolder folder;
  FileSystem files;
  save_steps(files, folder.path, {.ranks = 1}, {4, 6, 8});
  save_steps(files, folder.path, {.ranks = 1, .loaded_step = 6}, {7});
  EXPECT_EQ(names_in(folder.path),
            (std::vector<std::string>{"CURRENT", "step-000000006.manifest", "step-000000006.shard-0",
                                      "step-000000007.manifest", "step-000000007.shard-0"}));
}

TEST(Writer, SavesMetaAndBits) {
  const TestFolder folder;
  FileSystem files;
  LocalWorld world(1);
  Communicator communicator(world.transport(0), {0}, 0);
  CheckpointWriter writer(files, communicator, {folder.path});
  const std::vector<uint32_t> bits = {0x7FC00001, 0x80000000, 0x00000001, 0xFF800000};  // NaN, -0, denormal, -inf
  std::vector<float> data(4), back(4);
  std::memcpy(data.data(), bits.data(), 16);
  const std::string meta = "{\"seed\":18446744073709551615,\"loss\":[0.1,1e-300],\"name\":\"\\u00e9\"}";
  writer.save(3, {{data.data(), {{"x", 0, 0, 0, 0, 4, 1}}}}, meta);
  writer.wait();
  const Manifest manifest = *find_checkpoint(files, folder.path).manifest;
  load_checkpoint(files, folder.path, manifest, {{back.data(), {{"x", 0, 0, 0, 0, 4, 1}}}});
  EXPECT_EQ(std::memcmp(back.data(), bits.data(), 16), 0);
  EXPECT_EQ(manifest.meta, "{\"seed\":18446744073709551615,\"loss\":[0.1,1e-300],\"name\":\"\u00e9\"}");
}

// Two ranks save the same element: nothing is committed, and every rank says which tensor.
TEST(Writer, RefusesWhatIsSavedTwice) {
  const TestFolder folder;
  FileSystem files;
  save_steps(files, folder.path, {}, {1});
  LocalWorld world(2);
  std::atomic<int> refused = 0;
  run_ranks(world, [&](Transport& transport) {
    Communicator communicator(transport, {0, 1}, 0);
    CheckpointWriter writer(files, communicator, {folder.path, 2, 1});
    const std::vector<float> data(4, 1);
    writer.save(2, {{data.data(), {{"x", 0, 0, 0, 0, 4, 1}}}}, "{}");
    try {
      writer.wait();
    } catch (const DeviceError& error) {
      refused += std::string(error.what()).find("8 elements of 'x' are saved, it has 4") != std::string::npos ? 1 : 0;
    }
  });
  EXPECT_EQ(refused, 2);
  EXPECT_EQ(find_checkpoint(files, folder.path).manifest->step, 1);
}

TEST(Writer, EmptyStateAndEmptyRanks) {
  const TestFolder folder;
  FileSystem files;
  save_steps(files, folder.path, {.ranks = 9}, {1});  // rank 8 has no expert
  EXPECT_EQ(wrong_elements(files, folder.path, *find_checkpoint(files, folder.path).manifest, 2), 0);
}

}  // namespace
}  // namespace moesaic::executor
