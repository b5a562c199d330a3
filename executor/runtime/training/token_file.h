#pragma once
// The tokens of one file, read where they are wanted: a file of any size takes no memory. It draws no sequences.

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace moesaic::executor {

/// One token: a byte of text, or an integer of a tokenizer's, little endian, as in nanoGPT's and Megatron's .bin files.
enum class TokenFormat { bytes, uint16, uint32 };
constexpr const char* kTokenFormats[] = {"bytes", "uint16", "uint32"};
inline const char* name_of(TokenFormat format) { return kTokenFormats[static_cast<size_t>(format)]; }
/// Of that name, which is one of kTokenFormats.
TokenFormat token_format(const std::string& name);
inline int64_t bytes_of(TokenFormat format) { return int64_t{1} << static_cast<int>(format); }

class TokenFile {
 public:
  /// InputError for what is no regular file, cannot be read or ends within a token. `vocabulary`: ids are below it.
  TokenFile(std::string path, TokenFormat format, int64_t vocabulary);
  /// Bytes that stand in memory.
  TokenFile(std::string name, std::vector<uint8_t> bytes);
  ~TokenFile();
  TokenFile(const TokenFile&) = delete;
  TokenFile& operator=(const TokenFile&) = delete;

  const std::string& name() const { return name_; }
  TokenFormat format() const { return format_; }
  int64_t size() const { return size_; }  // in tokens

  /// Tokens [first, first + count). InputError, with file and place, for an id beyond the vocabulary; DeviceError where
  /// the file cannot be read any more. For several threads at a time.
  void read(int64_t first, int64_t count, int32_t* tokens) const;
  /// Of blocks spread over all of it, the first and the last bytes among them.
  uint64_t sampled_hash() const;
  int64_t bytes_read() const { return bytes_read_; }  // of a file, so far

 private:
  void read_bytes(int64_t offset, int64_t count, uint8_t* bytes) const;

  const std::string name_;
  const TokenFormat format_;
  const int64_t vocabulary_;
  int64_t size_ = 0;
  int file_ = -1;                // -1: in memory
  std::vector<uint8_t> memory_;  // else empty
  mutable std::atomic<int64_t> bytes_read_ = 0;
};

}  // namespace moesaic::executor
