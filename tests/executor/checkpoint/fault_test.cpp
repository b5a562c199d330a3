// Every call of the system that writes fails once, in every way it can: a loadable checkpoint exists afterwards, it is
// never older than the last one committed, and the error names the file.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>

#include "tests/executor/checkpoint/toy_state.h"

namespace moesaic::executor {
namespace {

enum class Fault { io_error, disk_full, interrupted, short_write };

/// The n-th open, write, fsync, rename or mkdir fails, counted over all ranks; n < 0 only counts.
class FailingFileSystem final : public FileSystem {
 public:
  FailingFileSystem(int64_t n, Fault fault) : n_(n), fault_(fault) {}
  int64_t calls() const { return calls_; }

  int open(const std::string& path, int flags, mode_t mode) override {
    return fails() ? -1 : FileSystem::open(path, flags, mode);
  }
  ssize_t pwrite(int file, const void* data, size_t bytes, int64_t offset) override {
    if (!fails()) return FileSystem::pwrite(file, data, bytes, offset);
    return fault_ == Fault::short_write ? FileSystem::pwrite(file, data, (bytes + 1) / 2, offset) : -1;
  }
  int fsync(int file) override { return fails() ? -1 : FileSystem::fsync(file); }
  int rename(const std::string& from, const std::string& to) override {
    return fails() ? -1 : FileSystem::rename(from, to);
  }
  int mkdir(const std::string& path, mode_t mode) override { return fails() ? -1 : FileSystem::mkdir(path, mode); }

 private:
  /// A call that cannot be short is interrupted instead.
  bool fails() {
    if (calls_++ != n_) return false;
    errno = fault_ == Fault::io_error ? EIO : fault_ == Fault::disk_full ? ENOSPC : EINTR;
    return true;
  }

  std::atomic<int64_t> calls_ = 0;
  const int64_t n_;
  const Fault fault_;
};

struct Case {
  int ranks;
  Fault fault;
};

class EveryCall : public ::testing::TestWithParam<Case> {};

TEST_P(EveryCall, LeavesALoadableCheckpoint) {
  const auto [ranks, fault] = GetParam();
  const bool harmless = fault == Fault::interrupted || fault == Fault::short_write;
  int64_t points = 1;
  for (int64_t n = -1; n < points; ++n) {
    const TestFolder folder;
    FileSystem real;
    save_steps(real, folder.path, {.ranks = 1}, {10});
    FailingFileSystem failing(n, fault);
    int64_t committed = 10;
    std::string error;
    try {
      save_steps(failing, folder.path, {.ranks = ranks, .loaded_step = 10}, {11, 12, 13}, &committed);
    } catch (const std::runtime_error& thrown) {  // InputError for the folder, else DeviceError
      error = thrown.what();
    }
    const FoundCheckpoint found = find_checkpoint(real, folder.path);
    ASSERT_TRUE(found.manifest.has_value()) << "call " << n << ": " << error;
    EXPECT_GE(found.manifest->step, committed) << "call " << n;
    EXPECT_EQ(found.rejected, std::vector<RejectedFile>{}) << "call " << n;
    EXPECT_EQ(wrong_elements(real, folder.path, *found.manifest, 1), 0) << "call " << n;
    if (n < 0) points = failing.calls();
    EXPECT_EQ(error.empty(), n < 0 || harmless) << "call " << n;
    EXPECT_EQ(error.empty(), committed == 13) << "call " << n;
    EXPECT_EQ(error.find(folder.path) == std::string::npos, error.empty()) << error;
  }
  // A checkpoint of R ranks: R shards of mkdir and 8 calls (open, 2 to 12 writes, fsync, rename, open, fsync), and two
  // more files.
  EXPECT_GT(points, 3 * (7 * ranks + 2 * 6));
  RecordProperty("calls", static_cast<int>(points));
}

std::string name_of(const ::testing::TestParamInfo<Case>& info) {
  const char* faults[] = {"EIO", "ENOSPC", "EINTR", "ShortWrite"};
  return std::string(faults[static_cast<int>(info.param.fault)]) + "On" + std::to_string(info.param.ranks);
}

INSTANTIATE_TEST_SUITE_P(Faults, EveryCall,
                         ::testing::Values(Case{1, Fault::io_error}, Case{1, Fault::disk_full},
                                           Case{1, Fault::interrupted}, Case{1, Fault::short_write},
                                           Case{2, Fault::io_error}, Case{2, Fault::disk_full},
                                           Case{2, Fault::interrupted}, Case{2, Fault::short_write}),
                         name_of);

// Reading: a checkpoint whose file the disk gives no more is passed over, by name.
class UnreadableFile final : public FileSystem {
 public:
  explicit UnreadableFile(std::string name) : name_(std::move(name)) {}
  int open(const std::string& path, int flags, mode_t mode) override {
    if (path.ends_with(name_)) return errno = EIO, -1;
    return FileSystem::open(path, flags, mode);
  }

 private:
  std::string name_;
};

TEST(Reader, FallsBackFromAFileThatCannotBeRead) {
  const TestFolder folder;
  FileSystem real;
  save_steps(real, folder.path, {.ranks = 2}, {1, 2});
  for (const std::string& name : {manifest_name(2), shard_name(2, 1)}) {
    UnreadableFile failing(name);
    const FoundCheckpoint found = find_checkpoint(failing, folder.path);
    EXPECT_EQ(found.manifest->step, 1);
    EXPECT_EQ(found.rejected, (std::vector<RejectedFile>{{name, "open: Input/output error"}}));
  }
  UnreadableFile failing("CURRENT");  // then the newest is as good
  EXPECT_EQ(find_checkpoint(failing, folder.path).manifest->step, 2);
}

// Nothing is known of a folder that cannot be listed, least of all that it is empty.
class UnlistableFolder final : public FileSystem {
 public:
  int list(const std::string&, std::vector<std::string>&) override { return errno = EACCES, -1; }
};

TEST(Reader, DoesNotTakeAFolderThatCannotBeListedForEmpty) {
  const TestFolder folder;
  FileSystem real;
  EXPECT_EQ(find_checkpoint(real, folder.path).rejected, std::vector<RejectedFile>{});  // does not exist yet
  save_steps(real, folder.path, {}, {1});
  UnlistableFolder failing;
  const FoundCheckpoint found = find_checkpoint(failing, folder.path);
  EXPECT_FALSE(found.manifest.has_value());
  EXPECT_EQ(found.rejected, (std::vector<RejectedFile>{{".", "cannot be listed: Permission denied"}}));
}

}  // namespace
}  // namespace moesaic::executor
