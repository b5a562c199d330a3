#include "executor/runtime/training/corpus.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <numeric>

#include "core/schema/error.h"
#include "core/schema/formatted.h"
#include "core/schema/hash.h"

namespace moesaic::executor {
namespace {

/// In [0, 1).
double fraction_of(uint64_t draw) { return static_cast<double>(draw >> 11) * 0x1p-53; }

/// Where sequences may start.
int64_t starts_in(const Corpus::Stretch& stretch, int64_t sequence_length) {
  return stretch.end - stretch.begin - sequence_length;
}

/// Calls visit(tokens, count) for [begin, end), piece by piece; the last token of a piece is the first of the next one.
template <typename Visit>
void for_each_piece(const TokenFile& file, int64_t begin, int64_t end, const Visit& visit) {
  constexpr int64_t kPiece = 1 << 16;
  std::vector<int32_t> tokens(kPiece);
  for (; begin + 1 < end; begin += kPiece - 1) {
    const int64_t count = std::min(kPiece, end - begin);
    file.read(begin, count, tokens.data());
    visit(tokens.data(), count);
  }
}

}  // namespace

Corpus::Corpus(std::vector<Stretch> stretches, std::vector<double> weights, int64_t sequence_length)
    : stretches_(std::move(stretches)), weights_(std::move(weights)) {
  for (const Stretch& stretch : stretches_)
    if (starts_in(stretch, sequence_length) <= 0)
      throw InputError(stretch.file->name(), "",
                       "has " + std::to_string(stretch.end - stretch.begin) +
                           (stretch.file->format() == TokenFormat::bytes ? " bytes" : " tokens") +
                           (stretch.end - stretch.begin < stretch.file->size() ? " in this part of it" : ""),
                       "more than the sequence length of " + std::to_string(sequence_length),
                       "give a longer text or a shorter sequence_length");
  const double sum = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  for (double& weight : weights_) weight /= sum;
}

Corpus::Corpus(std::vector<uint8_t> bytes) {
  const auto size = static_cast<int64_t>(bytes.size());
  stretches_.push_back({std::make_shared<TokenFile>("text", std::move(bytes)), 0, size});
}

void Corpus::sequence(uint64_t seed, int64_t step, int64_t index, int64_t sequence_length, int32_t* inputs,
                      int32_t* targets) const {
  constexpr uint64_t kStream = 0x636F72707573ull;  // "corpus"
  const uint64_t draw = splitmix64(splitmix64(seed ^ kStream) + static_cast<uint64_t>(step) * (1ull << 20) +
                                   static_cast<uint64_t>(index));
  const auto starts = [&](size_t i) { return static_cast<uint64_t>(starts_in(stretches_[i], sequence_length)); };
  size_t chosen = 0;
  uint64_t start = 0;
  if (weights_.empty()) {
    uint64_t all = 0;
    for (size_t i = 0; i < stretches_.size(); ++i) all += starts(i);
    for (start = draw % all; start >= starts(chosen); ++chosen) start -= starts(chosen);
  } else {
    for (double left = fraction_of(splitmix64(draw)); chosen + 1 < weights_.size(); ++chosen)
      if ((left -= weights_[chosen]) < 0) break;
    start = draw % starts(chosen);
  }
  std::vector<int32_t> tokens(static_cast<size_t>(sequence_length) + 1);
  stretches_[chosen].file->read(stretches_[chosen].begin + static_cast<int64_t>(start), sequence_length + 1,
                                tokens.data());
  std::copy_n(tokens.begin(), sequence_length, inputs);
  std::copy_n(tokens.begin() + 1, sequence_length, targets);
}

std::optional<double> Corpus::bigram_entropy() const {
  std::vector<double> pairs(256 * 256, 0), firsts(256, 0);
  const int64_t most = kMostForEntropy / static_cast<int64_t>(stretches_.size());
  for (const Stretch& stretch : stretches_) {
    if (stretch.file->format() != TokenFormat::bytes) return std::nullopt;
    for_each_piece(*stretch.file, stretch.begin, std::min(stretch.end, stretch.begin + most),
                   [&](const int32_t* bytes, int64_t count) {
                     for (int64_t i = 0; i + 1 < count; ++i) {
                       pairs[static_cast<size_t>(bytes[i] * 256 + bytes[i + 1])] += 1;
                       firsts[static_cast<size_t>(bytes[i])] += 1;
                     }
                   });
  }
  double nats = 0;
  for (size_t i = 0; i < pairs.size(); ++i)
    if (pairs[i] > 0) nats -= pairs[i] * std::log(pairs[i] / firsts[i / 256]);
  return nats / std::accumulate(firsts.begin(), firsts.end(), 0.0);
}

std::string Corpus::identity() const {
  std::string text;
  for (size_t i = 0; i < stretches_.size(); ++i) {
    const auto& [file, begin, end] = stretches_[i];
    text += (i == 0 ? "" : "; ") + with_commas(file->size());
    text += file->format() == TokenFormat::bytes ? " bytes" : std::string(" tokens of ") + name_of(file->format());
    text += formatted(", hash %016" PRIx64, file->sampled_hash());
    if (begin > 0 || end < file->size()) text += ", from " + with_commas(begin) + " to " + with_commas(end);
    if (!weights_.empty()) text += formatted(", weight %.6g", weights_[i]);
  }
  return text;
}

}  // namespace moesaic::executor
