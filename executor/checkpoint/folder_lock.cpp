#include "executor/checkpoint/folder_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "core/schema/error.h"
#include "executor/checkpoint/block_file.h"

namespace moesaic::executor {
namespace {

constexpr size_t kSignatureBytes = 320;  // a host's name has up to 255

std::string folder_above(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

void make_checkpoint_folder(FileSystem& files, const std::string& folder) {
  const auto made = uninterrupted([&] { return files.mkdir(folder, 0777); });
  if (made == 0) return sync_folder(files, folder_above(folder), folder);
  if (errno != EEXIST)
    throw InputError(folder, "", std::string("cannot be made: ") + std::strerror(errno),
                     "a folder whose parent exists and may be written");
}

FolderLock::FolderLock(FileSystem& files, const std::string& folder, Seconds patience) : files_(files) {
  make_checkpoint_folder(files, folder);
  file_ = uninterrupted([&] { return files_.open(folder + "/" + kFile, O_RDWR | O_CREAT | O_CLOEXEC, 0666); });
  if (file_ < 0 && errno == ENOTDIR)
    throw InputError(folder, "", "is a file", "a folder for checkpoints", "name a new or empty folder");
  if (file_ < 0)
    throw InputError(folder, "", std::string("cannot be written: ") + std::strerror(errno), "a folder for checkpoints");
  if (!take(patience)) {
    const std::string by = holder();
    files_.close(file_);
    throw InputError(folder, "", "is in use" + (by.empty() ? "" : " by " + by), "a folder for this run alone",
                     "wait for that run or end it, or name another folder");
  }
  sign();
}

FolderLock::~FolderLock() { files_.close(file_); }

/// False where another holds it. A file system without locks has nothing to say against it.
bool FolderLock::take(Seconds patience) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(patience);
  while (uninterrupted([&] { return files_.lock(file_); }) != 0) {
    if (errno != EWOULDBLOCK) return true;
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

/// For whoever finds the folder in use; a full disk that does not take it is no reason to end.
void FolderLock::sign() {
  std::array<char, kSignatureBytes> text{};
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  std::snprintf(text.data(), text.size(), "process %d on %s", static_cast<int>(getpid()), host.data());
  static_cast<void>(files_.pwrite(file_, text.data(), text.size(), 0));
}

std::string FolderLock::holder() {
  std::array<char, kSignatureBytes + 1> text{};
  return files_.pread(file_, text.data(), kSignatureBytes, 0) > 0 ? text.data() : "";
}

}  // namespace moesaic::executor
