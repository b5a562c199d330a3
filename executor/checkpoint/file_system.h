#pragma once
// The calls of the operating system through which checkpoints are written and read, so that a test may let any of them
// fail. It adds no meaning to them: errors are -1 and errno, and nothing is retried here.

#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

namespace moesaic::executor {

/// Each function is its namesake of POSIX. Used by several threads at a time.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual int open(const std::string& path, int flags, mode_t mode);
  virtual int close(int file);
  virtual ssize_t pwrite(int file, const void* data, size_t bytes, int64_t offset);
  virtual ssize_t pread(int file, void* data, size_t bytes, int64_t offset);
  virtual int fsync(int file);
  virtual int rename(const std::string& from, const std::string& to);
  virtual int unlink(const std::string& path);
  virtual int mkdir(const std::string& path, mode_t mode);
  /// flock() for this open file alone, without waiting.
  virtual int lock(int file);
  /// Bytes of an open regular file.
  virtual int64_t size(int file);
  /// Names in a folder, ascending; a folder that does not exist has none and is an error (ENOENT).
  virtual int list(const std::string& folder, std::vector<std::string>& names);
};

/// Calls again while a signal interrupts.
template <typename Call>
auto uninterrupted(const Call& call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

}  // namespace moesaic::executor
