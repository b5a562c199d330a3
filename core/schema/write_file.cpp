// Whole files or none: see write_file in documents.h, write_file_in_parts in text_sink.h.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "core/schema/text_sink.h"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& path, const std::string& problem) {
  throw InputError(path, "", "cannot be written: " + problem + "; what was there is unchanged");
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  /// Some file systems report a full disk only here.
  bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

using Produce = std::function<void(const TextSink&)>;

/// Small parts reach the system together.
class Output {
 public:
  Output(const std::string& path, int fd) : path_(path), fd_(fd) {}

  void write(const Produce& produce) {
    produce([this](std::string_view part) {
      constexpr size_t kTogether = 1 << 16;
      waiting_ += part;
      if (waiting_.size() >= kTogether) flush();
    });
    flush();
  }

 private:
  void flush() {
    for (std::string_view left = waiting_; !left.empty();) {
      const ssize_t count = ::write(fd_, left.data(), left.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) refuse(path_, std::strerror(errno));
      left.remove_prefix(static_cast<size_t>(count));
    }
    waiting_.clear();
  }

  const std::string& path_;
  const int fd_;
  std::string waiting_;
};

/// Removes the temporary file unless it was renamed.
struct Temporary {
  std::string path;
  bool kept = false;
  ~Temporary() {
    if (!kept) ::unlink(path.c_str());
  }
};

void replace_file(const std::string& path, const fs::path& target, const Produce& produce) {
  static std::atomic<unsigned> counter{0};  // two threads of one process may write into one folder
  Temporary temporary{target.string() + ".tmp." + std::to_string(::getpid()) + "." + std::to_string(counter++)};
  struct stat old {};
  const mode_t mode = ::stat(target.c_str(), &old) == 0 ? old.st_mode & 07777 : 0666;
  Descriptor file(::open(temporary.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (file.get() < 0) {
    temporary.kept = true;  // not ours
    refuse(path, std::strerror(errno));
  }
  Output(path, file.get()).write(produce);
  if (::fsync(file.get()) != 0 || !file.close() || ::rename(temporary.path.c_str(), target.c_str()) != 0)
    refuse(path, std::strerror(errno));
  temporary.kept = true;
  // The rename itself is durable only after the folder is; not every file system offers that, and the file is complete
  // either way.
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}

void write_standard_output(const Produce& produce) {
  const auto check = [](bool written) {
    if (!written) throw InputError("standard output", "", std::string("cannot be written: ") + std::strerror(errno));
  };
  produce([&](std::string_view part) { check(std::fwrite(part.data(), 1, part.size(), stdout) == part.size()); });
  check(std::fflush(stdout) == 0);
}

}  // namespace

void write_file(const std::string& path, const std::string& text) {
  write_file_in_parts(path, [&](const TextSink& sink) { sink(text); });
}

void write_file_in_parts(const std::string& path, const Produce& produce) {
  if (path == "-") return write_standard_output(produce);
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) refuse(path, "is a directory");
  if (fs::exists(status) && !fs::is_regular_file(status)) {  // a pipe or /dev/stdout cannot be renamed over
    Descriptor device(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (device.get() < 0) refuse(path, std::strerror(errno));
    return Output(path, device.get()).write(produce);
  }
  // A symbolic link keeps pointing where it does: its target is replaced.
  const fs::path target = fs::exists(status) ? fs::canonical(path, error) : fs::path(path);
  if (error && fs::exists(status)) refuse(path, error.message());
  replace_file(path, target, produce);
}

}  // namespace moesaic
