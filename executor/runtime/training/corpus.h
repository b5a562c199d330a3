#pragma once
// Training data, a pure function of a seed (docs/training_model.md): the same whatever the number of ranks.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace moesaic::executor {

/// A byte stream from which training sequences are cut.
class Corpus {
 public:
  explicit Corpus(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {}

  /// Reads a file, or the licence texts of a Debian system when `path` is empty. InputError for a directory, an empty
  /// or an unreadable file.
  static Corpus load(const std::string& path, int64_t sequence_length);

  /// Inputs and targets of sequence `index` of step `step`: [sequence_length] each.
  void sequence(uint64_t seed, int64_t step, int64_t index, int64_t sequence_length, int32_t* inputs,
                int32_t* targets) const;

  /// Tells corpora apart at little cost, whatever their files are called: size, and a hash of blocks spread over it.
  std::string identity() const;

  const std::vector<uint8_t>& bytes() const { return bytes_; }
  /// Entropy of a byte given the one before it, in nats: what a bigram model reaches on the corpus itself.
  double bigram_entropy() const;

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace moesaic::executor
