#include "executor/checkpoint/block_file.h"

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/schema/hash.h"
#include "executor/checkpoint/crc32c.h"

namespace moesaic::executor {
namespace {

constexpr uint64_t kMagic = 0x31304B4353454F4D;  // "MOESCK01" in a little-endian file

/// The end of a footer: [blocks] checksums, then this.
struct Tail {
  int64_t payload_bytes = 0, block_bytes = 0;
  uint64_t magic = 0;
  uint32_t zero = 0;
  uint32_t checksum = 0;  // of the footer up to here
};
static_assert(sizeof(Tail) == 32);

int64_t num_blocks(int64_t payload_bytes, int64_t block_bytes) {
  return payload_bytes / block_bytes + (payload_bytes % block_bytes != 0 ? 1 : 0);
}

std::vector<std::byte> make_footer(std::span<const std::byte> payload, int64_t block_bytes) {
  std::vector<uint32_t> checksums;
  for (size_t at = 0; at < payload.size(); at += static_cast<size_t>(block_bytes)) {
    const auto block = payload.subspan(at, std::min(static_cast<size_t>(block_bytes), payload.size() - at));
    checksums.push_back(crc32c(block.data(), block.size()));
  }
  const size_t before = checksums.size() * sizeof(uint32_t);
  std::vector<std::byte> footer(before + sizeof(Tail));
  if (before > 0) std::memcpy(footer.data(), checksums.data(), before);
  Tail tail{static_cast<int64_t>(payload.size()), block_bytes, kMagic, 0, 0};
  std::memcpy(footer.data() + before, &tail, sizeof tail);
  tail.checksum = crc32c(footer.data(), footer.size() - sizeof tail.checksum);
  std::memcpy(footer.data() + before, &tail, sizeof tail);
  return footer;
}

uint64_t hash_of(std::span<const std::byte> footer) {
  return fnv1a64({reinterpret_cast<const char*>(footer.data()), footer.size()});
}

[[noreturn]] void refuse(const std::string& path, const char* call) {
  throw DeviceError(path + ": cannot be written (" + call + "): " + std::strerror(errno));
}

/// A file that is being written: closed in any case, and removed unless it was renamed.
class Temporary {
 public:
  Temporary(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {
    file_ = uninterrupted([&] { return files_.open(path_, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666); });
    if (file_ < 0) refuse(path_, "open");
  }
  ~Temporary() {
    if (file_ >= 0) files_.close(file_);
    if (!renamed_) files_.unlink(path_);
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const size_t piece = std::min(bytes.size(), static_cast<size_t>(kBlockBytes));
      const ssize_t count = uninterrupted([&] { return files_.pwrite(file_, bytes.data(), piece, offset_); });
      if (count < 0) refuse(path_, "write");
      if (count == 0) throw DeviceError(path_ + ": cannot be written (write): the system takes no more bytes");
      offset_ += count;
      bytes = bytes.subspan(static_cast<size_t>(count));
    }
  }

  /// A failed fsync is not tried again: the kernel may have dropped the pages, and then says that all is well.
  void rename_to(const std::string& target) {
    if (uninterrupted([&] { return files_.fsync(file_); }) != 0) refuse(path_, "fsync");
    if (files_.close(std::exchange(file_, -1)) != 0 && errno != EINTR) refuse(path_, "close");
    if (uninterrupted([&] { return files_.rename(path_, target); }) != 0) refuse(target, "rename");
    renamed_ = true;
  }

 private:
  FileSystem& files_;
  std::string path_;
  int file_ = -1;
  int64_t offset_ = 0;
  bool renamed_ = false;
};

}  // namespace

void sync_folder(FileSystem& files, const std::string& folder, const std::string& path) {
  const int file = uninterrupted([&] { return files.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0); });
  if (file < 0) refuse(path, "open of its folder");
  const int status = uninterrupted([&] { return files.fsync(file); });
  const int error = errno;
  files.close(file);
  if (status != 0) errno = error, refuse(path, "fsync of its folder");
}

BlockFileSummary write_block_file(FileSystem& files, const std::string& folder, const std::string& name,
                                  std::span<const std::byte> payload, int64_t block_bytes) {
  const std::string path = folder + "/" + name;
  const std::vector<std::byte> footer = make_footer(payload, block_bytes);
  {
    Temporary file(files, path + ".tmp");
    file.write(payload);
    file.write(footer);
    file.rename_to(path);
  }
  sync_folder(files, folder, path);
  return {static_cast<int64_t>(payload.size()), hash_of(footer)};
}

BlockFile::BlockFile(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {
  file_ = uninterrupted([&] { return files_.open(path_, O_RDONLY | O_CLOEXEC, 0); });
  if (file_ < 0)
    throw DamagedFile(path_, errno == ENOENT ? "is missing" : std::string("open: ") + std::strerror(errno));
  try {
    read_footer();
  } catch (...) {
    files_.close(file_);
    throw;
  }
}

BlockFile::~BlockFile() { files_.close(file_); }

void BlockFile::read_footer() {
  const int64_t size = files_.size(file_);
  if (size < 0) throw DamagedFile(path_, std::string("fstat: ") + std::strerror(errno));
  Tail tail;
  const auto tail_bytes = static_cast<int64_t>(sizeof tail);
  if (size < tail_bytes) throw DamagedFile(path_, "is cut off: " + std::to_string(size) + " bytes");
  read_raw(size - tail_bytes, &tail, sizeof tail);
  if (tail.magic != kMagic) throw DamagedFile(path_, "has no footer: it is cut off, or no checkpoint file");
  // Bounds before sizes are computed from them: the footer's checksum has not been seen yet.
  if (tail.payload_bytes < 0 || tail.block_bytes < 1 || tail.payload_bytes > size ||
      num_blocks(tail.payload_bytes, tail.block_bytes) > size / static_cast<int64_t>(sizeof(uint32_t)))
    throw DamagedFile(path_, "its footer is damaged");
  const int64_t blocks = num_blocks(tail.payload_bytes, tail.block_bytes);
  const int64_t footer_bytes = blocks * static_cast<int64_t>(sizeof(uint32_t)) + tail_bytes;
  if (tail.payload_bytes + footer_bytes != size)
    throw DamagedFile(path_, "is " + std::to_string(size) + " bytes, its footer speaks of " +
                                 std::to_string(tail.payload_bytes + footer_bytes));
  std::vector<std::byte> footer(static_cast<size_t>(footer_bytes));
  read_raw(tail.payload_bytes, footer.data(), footer.size());
  if (crc32c(footer.data(), footer.size() - sizeof tail.checksum) != tail.checksum)
    throw DamagedFile(path_, "its footer is damaged");
  block_bytes_ = tail.block_bytes;
  checksums_.resize(static_cast<size_t>(blocks));
  if (blocks > 0) std::memcpy(checksums_.data(), footer.data(), checksums_.size() * sizeof(uint32_t));
  summary_ = {tail.payload_bytes, hash_of(footer)};
}

void BlockFile::read_raw(int64_t offset, void* out, size_t bytes) {
  auto* next = static_cast<std::byte*>(out);
  while (bytes > 0) {
    const ssize_t count = uninterrupted([&] { return files_.pread(file_, next, bytes, offset); });
    if (count < 0) throw DamagedFile(path_, std::string("read: ") + std::strerror(errno));
    if (count == 0) throw DamagedFile(path_, "ends at byte " + std::to_string(offset));
    next += count;
    offset += count;
    bytes -= static_cast<size_t>(count);
  }
}

void BlockFile::fetch(int64_t block) {
  if (block == held_) return;
  held_ = -1;
  const int64_t begin = block * block_bytes_, end = std::min(begin + block_bytes_, summary_.payload_bytes);
  block_.resize(static_cast<size_t>(end - begin));
  read_raw(begin, block_.data(), block_.size());
  if (crc32c(block_.data(), block_.size()) != checksums_[static_cast<size_t>(block)])
    throw DamagedFile(path_, "bytes " + std::to_string(begin) + " to " + std::to_string(end) +
                                 " do not have the checksum that was written");
  held_ = block;
}

void BlockFile::read(int64_t offset, std::span<std::byte> out) {
  MOESAIC_CHECK(offset >= 0 && offset + static_cast<int64_t>(out.size()) <= summary_.payload_bytes,
                "outside the payload of " + path_);
  while (!out.empty()) {
    fetch(offset / block_bytes_);
    const auto within = static_cast<size_t>(offset % block_bytes_);
    const size_t count = std::min(out.size(), block_.size() - within);
    std::memcpy(out.data(), block_.data() + within, count);
    offset += static_cast<int64_t>(count);
    out = out.subspan(count);
  }
}

void BlockFile::verify_all() {
  for (int64_t block = 0; block < static_cast<int64_t>(checksums_.size()); ++block) fetch(block);
}

std::string BlockFile::text() {
  std::string all(static_cast<size_t>(summary_.payload_bytes), '\0');
  read(0, std::as_writable_bytes(std::span(all)));
  return all;
}

}  // namespace moesaic::executor
