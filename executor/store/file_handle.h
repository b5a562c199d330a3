#pragma once
// An open file with its space reserved and, where the file system permits, without the page cache. It moves no data.

#include <cstdint>
#include <string>
#include <utility>

namespace moesaic::executor {

/// Owns the descriptor. Failures throw DeviceError with file, operation and reason.
class FileHandle {
 public:
  /// A fresh file of `bytes`, in place of one that may exist. Space is checked, then reserved; a full disk is reported
  /// with needed and free bytes, and no file stays. try_direct: false asks for the page cache.
  static FileHandle create(const std::string& path, int64_t bytes, bool try_direct = true);
  /// For reading and writing; the size must be a multiple of kFileAlignment.
  static FileHandle open(const std::string& path, bool try_direct = true);

  FileHandle(FileHandle&& other) noexcept
      : path_(std::move(other.path_)),
        fd_(std::exchange(other.fd_, -1)),
        bytes_(other.bytes_),
        direct_(other.direct_) {}
  FileHandle& operator=(FileHandle&&) = delete;
  ~FileHandle();

  int fd() const { return fd_; }
  const std::string& path() const { return path_; }
  int64_t bytes() const { return bytes_; }
  /// False where tmpfs, overlayfs and the like refuse O_DIRECT: then rates are those of memory, not of the disk.
  bool direct() const { return direct_; }

  /// What the file system of this file still has for this user; -1 where it does not say.
  int64_t free_bytes() const;
  [[noreturn]] void fail(const std::string& operation, int error_number) const;

 private:
  explicit FileHandle(std::string path) : path_(std::move(path)) {}
  void open_descriptor(int flags, bool try_direct);
  void reserve_space();
  void probe_direct();

  std::string path_;
  int fd_ = -1;
  int64_t bytes_ = 0;
  bool direct_ = false;
};

}  // namespace moesaic::executor
