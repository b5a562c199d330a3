#include "executor/checkpoint/folder_lock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>

#include "core/schema/error.h"
#include "tests/executor/checkpoint/toy_state.h"

namespace moesaic::executor {
namespace {

std::string refusal(FileSystem& files, const std::string& folder, Seconds patience = 0) {
  try {
    FolderLock lock(files, folder, patience);
  } catch (const InputError& error) {
    return error.what();
  }
  return "nothing is refused";
}

TEST(FolderLock, IsForOneRunAtATime) {
  const TestFolder folder;
  FileSystem files;
  std::optional<FolderLock> lock(std::in_place, files, folder.path);
  const std::string said = refusal(files, folder.path);
  EXPECT_NE(said.find("is in use by process " + std::to_string(getpid()) + " on "), std::string::npos) << said;
  lock.reset();
  EXPECT_EQ(refusal(files, folder.path), "nothing is refused");
}

// The child holds the folder until it is killed, without a word; the test waits for it that long.
TEST(FolderLock, EndsWithItsProcess) {
  const TestFolder folder;
  FileSystem files;
  int held[2];
  ASSERT_EQ(pipe(held), 0);
  const pid_t child = fork();
  if (child == 0) {
    const FolderLock lock(files, folder.path);
    if (write(held[1], "x", 1) == 1) pause();
    _exit(1);
  }
  char byte = 0;
  ASSERT_EQ(read(held[0], &byte, 1), 1);
  EXPECT_NE(refusal(files, folder.path).find("is in use by process " + std::to_string(child)), std::string::npos);
  kill(child, SIGKILL);
  EXPECT_EQ(refusal(files, folder.path, 60), "nothing is refused");
  waitpid(child, nullptr, 0);
  close(held[0]), close(held[1]);
}

TEST(FolderLock, SaysWhatIsNoFolder) {
  const TestFolder folder;
  FileSystem files;
  std::ofstream(folder.path) << "a file";
  EXPECT_NE(refusal(files, folder.path).find(": is a file; expected a folder for checkpoints"), std::string::npos);
  EXPECT_NE(refusal(files, folder.path + "/inside").find("cannot be made: Not a directory"), std::string::npos);
  EXPECT_NE(refusal(files, "/nonexistent/folder").find("cannot be made"), std::string::npos);
}

/// A file system that knows no locks, as some shared ones.
class Lockless final : public FileSystem {
 public:
  int lock(int) override { return errno = ENOLCK, -1; }
};

TEST(FolderLock, IsNoObstacleWhereThereAreNone) {
  const TestFolder folder;
  Lockless files;
  const FolderLock lock(files, folder.path);
  EXPECT_EQ(refusal(files, folder.path), "nothing is refused");
}

}  // namespace
}  // namespace moesaic::executor
