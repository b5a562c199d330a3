#pragma once
// Training data, a pure function of a seed (docs/training_model.md): the same whatever the number of ranks.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "executor/runtime/training/token_file.h"

namespace moesaic::executor {

/// What of which files is trained on, and what only validated with.
struct CorpusFiles {
  std::vector<std::string> files = {};  // empty: the licence texts of a Debian system
  std::vector<double> weights = {};     // of the files: the shares of the sequences that come from them; empty: in
                                        // proportion to the sequences that they have
  TokenFormat format = TokenFormat::bytes;
  std::vector<std::string> validation_files = {};
  double validation_share = 0;  // of each file, its end: never trained on
};

/// Stretches of tokens, from which sequences are cut.
class Corpus {
 public:
  struct Stretch {
    std::shared_ptr<const TokenFile> file;
    int64_t begin, end;  // tokens
  };

  /// `weights`: as in CorpusFiles. InputError unless every stretch is longer than a sequence.
  Corpus(std::vector<Stretch> stretches, std::vector<double> weights, int64_t sequence_length);
  /// Of one text in memory.
  explicit Corpus(std::vector<uint8_t> bytes);

  /// Inputs and targets of sequence `index` of step `step`: [sequence_length] each.
  void sequence(uint64_t seed, int64_t step, int64_t index, int64_t sequence_length, int32_t* inputs,
                int32_t* targets) const;

  /// Entropy of a byte given the one before it, in nats: what a bigram model reaches on the corpus itself, or on its
  /// beginning where it is longer than kMostForEntropy. None where tokens are no bytes.
  std::optional<double> bigram_entropy() const;
  static constexpr int64_t kMostForEntropy = int64_t{64} << 20;  // bytes of all files together

  /// Tells corpora apart at little cost, whatever their files are called: format, sizes, a hash of blocks spread over
  /// each file, which part of it is drawn from, and weights.
  std::string identity() const;

 private:
  std::vector<Stretch> stretches_;
  std::vector<double> weights_;  // empty, or summing to 1
};

struct Corpora {
  Corpus training;
  std::optional<Corpus> validation;
};

/// InputError for what cannot be trained on: each file by its name. `vocabulary` of the model.
Corpora open_corpora(const CorpusFiles& files, int64_t sequence_length, int64_t vocabulary);

}  // namespace moesaic::executor
