// What a disk may hold after the power is cut: every prefix of the calls of a run, and every such prefix without one or
// without all of the calls that no fsync has covered yet (after ALICE, OSDI 2014). Each must load, and nothing that was
// committed may be lost.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <mutex>

#include "tests/executor/checkpoint/toy_state.h"

namespace moesaic::executor {
namespace {

/// One call that changes a disk. A file is a number, so that it keeps what it is under another name.
struct DiskOperation {
  enum Kind { create, write, sync_file, rename, unlink, sync_names } kind;
  int file = -1;
  std::string name, to;
  int64_t offset = 0;
  std::string data;
};

class RecordingFileSystem final : public FileSystem {
 public:
  const std::vector<DiskOperation>& operations() const { return operations_; }

  int open(const std::string& path, int flags, mode_t mode) override {
    const int descriptor = FileSystem::open(path, flags, mode);
    const std::lock_guard lock(mutex_);
    if ((flags & O_DIRECTORY) != 0) open_[descriptor] = -1;
    if ((flags & O_CREAT) == 0) return descriptor;
    operations_.push_back({DiskOperation::create, files_, name_of(path), "", 0, ""});
    open_[descriptor] = files_++;
    return descriptor;
  }
  ssize_t pwrite(int descriptor, const void* data, size_t bytes, int64_t offset) override {
    const std::lock_guard lock(mutex_);
    operations_.push_back({DiskOperation::write, open_.at(descriptor), "", "", offset,
                           std::string(static_cast<const char*>(data), bytes)});
    return FileSystem::pwrite(descriptor, data, bytes, offset);
  }
  int fsync(int descriptor) override {
    const std::lock_guard lock(mutex_);
    const int file = open_.at(descriptor);
    operations_.push_back({file < 0 ? DiskOperation::sync_names : DiskOperation::sync_file, file, "", "", 0, ""});
    return FileSystem::fsync(descriptor);
  }
  int rename(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    operations_.push_back({DiskOperation::rename, -1, name_of(from), name_of(to), 0, ""});
    return FileSystem::rename(from, to);
  }
  int unlink(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    operations_.push_back({DiskOperation::unlink, -1, name_of(path), "", 0, ""});
    return FileSystem::unlink(path);
  }

 private:
  static std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

  std::mutex mutex_;
  std::vector<DiskOperation> operations_;
  std::map<int, int> open_;  // descriptor -> file, -1: a folder
  int files_ = 0;
};

/// The disk after the given operations, those of `lost` left out.
std::map<std::string, std::string> disk_after(const std::vector<DiskOperation>& operations, size_t count,
                                              const std::vector<bool>& lost) {
  std::map<std::string, int> names;
  std::map<int, std::string> data;
  for (size_t i = 0; i < count; ++i) {
    const DiskOperation& op = operations[i];
    if (lost[i]) continue;
    if (op.kind == DiskOperation::create) names[op.name] = op.file;
    if (op.kind == DiskOperation::unlink) names.erase(op.name);
    if (op.kind == DiskOperation::rename && names.contains(op.name)) {
      names[op.to] = names[op.name];
      names.erase(op.name);
    }
    if (op.kind == DiskOperation::write) {
      std::string& bytes = data[op.file];
      bytes.resize(std::max(bytes.size(), static_cast<size_t>(op.offset) + op.data.size()));
      bytes.replace(static_cast<size_t>(op.offset), op.data.size(), op.data);
    }
  }
  std::map<std::string, std::string> disk;
  for (const auto& [name, file] : names) disk[name] = data[file];
  return disk;
}

/// Operations before `count` that a crash may still undo.
std::vector<size_t> volatile_operations(const std::vector<DiskOperation>& operations, size_t count) {
  std::vector<size_t> result;
  for (size_t i = 0; i < count; ++i) {
    const DiskOperation& op = operations[i];
    const auto covers = [&](const DiskOperation& later) {
      if (op.kind == DiskOperation::write) return later.kind == DiskOperation::sync_file && later.file == op.file;
      return later.kind == DiskOperation::sync_names;
    };
    if (op.kind == DiskOperation::sync_file || op.kind == DiskOperation::sync_names) continue;
    if (std::none_of(operations.begin() + static_cast<std::ptrdiff_t>(i),
                     operations.begin() + static_cast<std::ptrdiff_t>(count), covers))
      result.push_back(i);
  }
  return result;
}

class CrashStates : public ::testing::TestWithParam<int> {};

TEST_P(CrashStates, AllLoadAndLoseNothing) {
  const TestFolder folder, crashed;
  RecordingFileSystem recording;
  FileSystem real;
  save_steps(recording, folder.path, {.ranks = GetParam()}, {1, 2, 3, 4});
  const std::vector<DiskOperation>& operations = recording.operations();
  std::filesystem::create_directory(crashed.path);
  int64_t committed = -1, states = 0;
  const auto check = [&](size_t count, const std::vector<bool>& lost) {
    const std::map<std::string, std::string> disk = disk_after(operations, count, lost);
    for (const auto& entry : std::filesystem::directory_iterator(crashed.path))
      if (!disk.contains(entry.path().filename())) std::filesystem::remove(entry.path());
    for (const auto& [name, bytes] : disk)
      std::ofstream(crashed.path + "/" + name, std::ios::binary | std::ios::trunc) << bytes;
    const FoundCheckpoint found = find_checkpoint(real, crashed.path);
    ++states;
    EXPECT_EQ(found.manifest ? wrong_elements(real, crashed.path, *found.manifest, 1) : 0, 0);
    return found.manifest ? found.manifest->step : -1;
  };
  int64_t renamed = -1;  // the step that CURRENT names, durably once the folder is
  int commits = 0;
  for (size_t count = 0; count <= operations.size(); ++count) {
    if (count > 0) {
      const DiskOperation& op = operations[count - 1];
      if (op.kind == DiskOperation::rename && op.to == kCurrent) renamed = ++commits;
      if (op.kind == DiskOperation::sync_names && renamed > 0) committed = renamed;
    }
    std::vector<bool> lost(operations.size(), false);
    EXPECT_GE(check(count, lost), committed) << "after " << count;
    std::vector<bool> all_lost = lost;
    for (size_t dropped : volatile_operations(operations, count)) {
      lost[dropped] = all_lost[dropped] = true;
      EXPECT_GE(check(count, lost), committed) << "after " << count << " without " << dropped;
      lost[dropped] = false;
    }
    EXPECT_GE(check(count, all_lost), committed) << "after " << count << " without all that no fsync covered";
    if (HasFailure()) break;
  }
  EXPECT_EQ(committed, 4);
  EXPECT_GT(states, 200);
  RecordProperty("states", static_cast<int>(states));
}

INSTANTIATE_TEST_SUITE_P(Ranks, CrashStates, ::testing::Values(1, 2));

}  // namespace
}  // namespace moesaic::executor
