#include "executor/runtime/training/token_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "core/schema/error.h"
#include "core/schema/hash.h"

namespace moesaic::executor {
namespace {

/// Opening a pipe would wait for a writer; reading a device might never end.
void check_regular(const std::string& path, mode_t mode) {
  if (S_ISREG(mode)) return;
  if (S_ISDIR(mode))
    throw InputError(path, "", "is a directory", "a text file", "name one file, for example --corpus book.txt");
  throw InputError(path, "", S_ISFIFO(mode) ? "is a pipe" : "is a device or a socket", "a regular file",
                   "tokens are drawn from all of it: write it to a file first");
}

int opened(const std::string& path, int64_t& bytes) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0 && errno == ENOENT)
    throw InputError(path, "", "does not exist", "a text file",
                     "name an existing file, or leave --corpus out to train on the licence texts");
  struct stat status = {};
  if (file < 0 && ::stat(path.c_str(), &status) == 0) check_regular(path, status.st_mode);
  if (file < 0) throw InputError(path, "", "cannot be read", "a readable file", "check its permissions");
  try {
    if (::fstat(file, &status) != 0) throw InputError(path, "", "cannot be read", "a readable file", "");
    check_regular(path, status.st_mode);
  } catch (...) {
    ::close(file);
    throw;
  }
  bytes = status.st_size;
  return file;
}

}  // namespace

TokenFormat token_format(const std::string& name) {
  const auto* found = std::ranges::find(kTokenFormats, name);
  MOESAIC_CHECK(found != std::end(kTokenFormats), "no format of tokens is called " + name);
  return static_cast<TokenFormat>(found - std::begin(kTokenFormats));
}

TokenFile::TokenFile(std::string path, TokenFormat format, int64_t vocabulary)
    : name_(std::move(path)), format_(format), vocabulary_(vocabulary) {
  int64_t bytes = 0;
  file_ = opened(name_, bytes);
  size_ = bytes / bytes_of(format);
  if (bytes % bytes_of(format) == 0) return;
  ::close(file_);
  throw InputError(name_, "", "has " + std::to_string(bytes) + " bytes",
                   std::string("whole tokens of ") + name_of(format),
                   "say what it holds with --corpus-tokens, or write it again");
}

TokenFile::TokenFile(std::string name, std::vector<uint8_t> bytes)
    : name_(std::move(name)),
      format_(TokenFormat::bytes),
      vocabulary_(256),
      size_(static_cast<int64_t>(bytes.size())),
      memory_(std::move(bytes)) {}

TokenFile::~TokenFile() {
  if (file_ >= 0) ::close(file_);
}

void TokenFile::read_bytes(int64_t offset, int64_t count, uint8_t* bytes) const {
  if (file_ < 0) {
    std::copy_n(memory_.begin() + offset, count, bytes);
    return;
  }
  bytes_read_ += count;
  for (int64_t done = 0; done < count;) {
    const ssize_t got = ::pread(file_, bytes + done, static_cast<size_t>(count - done), offset + done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw DeviceError(name_ + ": reading it fails: " + std::strerror(errno));
    if (got == 0) throw DeviceError(name_ + ": has become shorter while it is trained on");
    done += got;
  }
}

void TokenFile::read(int64_t first, int64_t count, int32_t* tokens) const {
  const int64_t width = bytes_of(format_);
  std::vector<uint8_t> bytes(static_cast<size_t>(count * width));
  read_bytes(first * width, count * width, bytes.data());
  for (int64_t i = 0; i < count; ++i) {
    uint32_t token = 0;
    for (int64_t byte = width; byte-- > 0;) token = token << 8 | bytes[static_cast<size_t>(i * width + byte)];
    if (token >= static_cast<uint64_t>(vocabulary_))
      throw InputError(
          name_, "",
          "has the token " + std::to_string(token) + " at token " + std::to_string(first + i) + ", byte " +
              std::to_string((first + i) * width),
          "ids below " + std::to_string(vocabulary_) + ", the model's vocabulary",
          "train with the vocabulary of its tokenizer; are its tokens " + std::string(name_of(format_)) + "?");
    tokens[i] = static_cast<int32_t>(token);
  }
}

uint64_t TokenFile::sampled_hash() const {
  constexpr int64_t kBlocks = 64, kSampledBytes = 4096;
  const int64_t size = size_ * bytes_of(format_), length = std::min(size, kSampledBytes);
  auto hash = static_cast<uint64_t>(size);
  std::vector<uint8_t> bytes(static_cast<size_t>(length));
  for (int64_t block = 0; block < kBlocks; ++block) {
    read_bytes((size - length) * block / (kBlocks - 1), length, bytes.data());
    hash = splitmix64(hash ^ fnv1a64({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  }
  return hash;
}

}  // namespace moesaic::executor
