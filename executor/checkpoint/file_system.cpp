#include "executor/checkpoint/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace moesaic::executor {

int FileSystem::open(const std::string& path, int flags, mode_t mode) { return ::open(path.c_str(), flags, mode); }

int FileSystem::close(int file) { return ::close(file); }

ssize_t FileSystem::pwrite(int file, const void* data, size_t bytes, int64_t offset) {
  return ::pwrite(file, data, bytes, offset);
}

ssize_t FileSystem::pread(int file, void* data, size_t bytes, int64_t offset) {
  return ::pread(file, data, bytes, offset);
}

int FileSystem::fsync(int file) { return ::fsync(file); }

int FileSystem::rename(const std::string& from, const std::string& to) { return std::rename(from.c_str(), to.c_str()); }

int FileSystem::unlink(const std::string& path) { return ::unlink(path.c_str()); }

int FileSystem::mkdir(const std::string& path, mode_t mode) { return ::mkdir(path.c_str(), mode); }

int FileSystem::lock(int file) { return ::flock(file, LOCK_EX | LOCK_NB); }

int64_t FileSystem::size(int file) {
  struct stat status {};
  if (::fstat(file, &status) != 0) return -1;
  if (!S_ISREG(status.st_mode)) return errno = EINVAL, -1;
  return status.st_size;
}

int FileSystem::list(const std::string& folder, std::vector<std::string>& names) {
  DIR* stream = ::opendir(folder.c_str());
  if (stream == nullptr) return -1;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) names.emplace_back(entry->d_name);
  const int error = errno;
  ::closedir(stream);
  std::sort(names.begin(), names.end());
  return error == 0 ? 0 : (errno = error, -1);
}

}  // namespace moesaic::executor
