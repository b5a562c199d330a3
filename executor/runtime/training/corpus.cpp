#include "executor/runtime/training/corpus.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/schema/error.h"
#include "core/schema/formatted.h"
#include "core/schema/hash.h"

namespace moesaic::executor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLicences = "/usr/share/common-licenses";  // on every Debian system (package base-files)

void append(const fs::path& file, std::vector<uint8_t>& bytes) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw InputError(file.string(), "", "cannot be read", "a readable file", "check its permissions");
  bytes.insert(bytes.end(), std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

std::vector<uint8_t> read_bytes(const std::string& path) {
  std::vector<uint8_t> bytes;
  if (!path.empty()) {
    if (fs::is_directory(path))
      throw InputError(path, "", "is a directory", "a text file", "name one file, for example --corpus book.txt");
    if (!fs::exists(path))
      throw InputError(path, "", "does not exist", "a text file",
                       "name an existing file, or leave --corpus out to train on the licence texts");
    append(path, bytes);
    return bytes;
  }
  if (!fs::is_directory(kLicences))
    throw InputError(kLicences, "", "does not exist", "the licence texts of a Debian system",
                     "name a text with --corpus FILE");
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kLicences))
    if (entry.is_regular_file() && !entry.is_symlink()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) append(file, bytes);
  return bytes;
}

}  // namespace

Corpus Corpus::load(const std::string& path, int64_t sequence_length) {
  std::vector<uint8_t> bytes = read_bytes(path);
  if (static_cast<int64_t>(bytes.size()) <= sequence_length)
    throw InputError(path.empty() ? kLicences : path, "", "has " + std::to_string(bytes.size()) + " bytes",
                     "more than the sequence length of " + std::to_string(sequence_length),
                     "give a longer text or a shorter sequence_length");
  return Corpus(std::move(bytes));
}

void Corpus::sequence(uint64_t seed, int64_t step, int64_t index, int64_t sequence_length, int32_t* inputs,
                      int32_t* targets) const {
  constexpr uint64_t kStream = 0x636F72707573ull;  // "corpus"
  const uint64_t draw = splitmix64(splitmix64(seed ^ kStream) + static_cast<uint64_t>(step) * (1ull << 20) +
                                   static_cast<uint64_t>(index));
  const size_t start = draw % (bytes_.size() - static_cast<size_t>(sequence_length));
  for (int64_t i = 0; i < sequence_length; ++i) {
    inputs[i] = bytes_[start + static_cast<size_t>(i)];
    targets[i] = bytes_[start + static_cast<size_t>(i) + 1];
  }
}

std::string Corpus::identity() const {
  constexpr size_t kBlocks = 64, kBlockBytes = 4096;
  const size_t size = bytes_.size(), length = std::min(size, kBlockBytes);
  uint64_t hash = size;
  for (size_t block = 0; block < kBlocks; ++block) {  // the first and the last bytes are in one
    const size_t at = (size - length) * block / (kBlocks - 1);
    hash = splitmix64(hash ^ fnv1a64({reinterpret_cast<const char*>(bytes_.data()) + at, length}));
  }
  return with_commas(static_cast<int64_t>(size)) + " bytes, hash " + formatted("%016" PRIx64, hash);
}

double Corpus::bigram_entropy() const {
  std::vector<double> pairs(256 * 256, 0), firsts(256, 0);
  for (size_t i = 0; i + 1 < bytes_.size(); ++i) {
    pairs[bytes_[i] * 256u + bytes_[i + 1]] += 1;
    firsts[bytes_[i]] += 1;
  }
  double nats = 0;
  for (size_t i = 0; i < pairs.size(); ++i)
    if (pairs[i] > 0) nats -= pairs[i] * std::log(pairs[i] / firsts[i / 256]);
  return nats / static_cast<double>(bytes_.size() - 1);
}

}  // namespace moesaic::executor
