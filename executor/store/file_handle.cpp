#include "executor/store/file_handle.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/schema/error.h"
#include "executor/store/aligned_buffer.h"

namespace moesaic::executor {

FileHandle::~FileHandle() {
  if (fd_ >= 0) ::close(fd_);
}

FileHandle FileHandle::create(const std::string& path, int64_t bytes, bool try_direct) {
  MOESAIC_CHECK(bytes > 0 && bytes % kFileAlignment == 0, "a file needs a size that is a multiple of 4096");
  FileHandle file(path);
  file.bytes_ = bytes;
  file.open_descriptor(O_CREAT | O_TRUNC, try_direct);
  try {
    file.reserve_space();
    file.probe_direct();
  } catch (const DeviceError&) {
    ::unlink(path.c_str());
    throw;
  }
  return file;
}

FileHandle FileHandle::open(const std::string& path, bool try_direct) {
  FileHandle file(path);
  file.open_descriptor(0, try_direct);
  struct stat status {};
  if (::fstat(file.fd_, &status) != 0) file.fail("reading the size", errno);
  file.bytes_ = status.st_size;
  if (!S_ISREG(status.st_mode) || file.bytes_ % kFileAlignment != 0) {
    throw DeviceError(path + ": expected a regular file whose size is a multiple of " + std::to_string(kFileAlignment) +
                      ", this one has " + std::to_string(file.bytes_) + " bytes");
  }
  file.probe_direct();
  return file;
}

void FileHandle::open_descriptor(int flags, bool try_direct) {
  constexpr mode_t kOwnerOnly = 0600;
  flags |= O_RDWR | O_CLOEXEC;
  direct_ = try_direct;
  fd_ = ::open(path_.c_str(), direct_ ? flags | O_DIRECT : flags, kOwnerOnly);
  if (fd_ < 0 && direct_ && errno == EINVAL) {
    direct_ = false;
    fd_ = ::open(path_.c_str(), flags, kOwnerOnly);
  }
  if (fd_ < 0) fail("opening", errno);
}

void FileHandle::reserve_space() {
  const int64_t free = free_bytes();
  if (free >= 0 && free < bytes_) fail("reserving " + std::to_string(bytes_) + " bytes", ENOSPC);
  int status = 0;
  do {
    status = ::fallocate(fd_, 0, 0, bytes_);
  } while (status != 0 && errno == EINTR);
  // A file system without reservations still gets the size: a full disk then shows at a write.
  if (status != 0 && errno == EOPNOTSUPP) status = ::ftruncate(fd_, bytes_);
  if (status != 0) fail("reserving " + std::to_string(bytes_) + " bytes", errno);
}

/// Some file systems accept the flag and refuse the access.
void FileHandle::probe_direct() {
  if (!direct_ || bytes_ == 0) return;
  const AlignedBuffer buffer(kFileAlignment);
  if (::pread(fd_, buffer.data(), kFileAlignment, 0) >= 0 || errno != EINVAL) return;
  const int flags = ::fcntl(fd_, F_GETFL);
  if (flags < 0 || ::fcntl(fd_, F_SETFL, flags & ~O_DIRECT) != 0) fail("turning to the page cache", errno);
  direct_ = false;
}

int64_t FileHandle::free_bytes() const {
  struct statvfs status {};
  if (::fstatvfs(fd_, &status) != 0) return -1;
  return static_cast<int64_t>(status.f_bavail) * static_cast<int64_t>(status.f_frsize);
}

void FileHandle::fail(const std::string& operation, int error_number) const {
  std::string message = path_ + ": " + operation + " failed: " + std::strerror(error_number);
  if (fd_ >= 0 && (error_number == ENOSPC || error_number == EDQUOT)) {
    message += " (" + std::to_string(free_bytes()) + " bytes free)";
  }
  throw DeviceError(message);
}

}  // namespace moesaic::executor
