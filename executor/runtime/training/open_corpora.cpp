// From the names of files to stretches of tokens that are trained on and validated with.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/schema/error.h"
#include "executor/runtime/training/corpus.h"

namespace moesaic::executor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLicences = "/usr/share/common-licenses";  // on every Debian system (package base-files)

/// One behind the other, as one text.
std::shared_ptr<const TokenFile> licence_texts() {
  if (!fs::is_directory(kLicences))
    throw InputError(kLicences, "", "does not exist", "the licence texts of a Debian system",
                     "name a text with --corpus FILE");
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kLicences))
    if (entry.is_regular_file() && !entry.is_symlink()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<uint8_t> bytes;
  for (const fs::path& file : files) {
    std::ifstream in(file, std::ios::binary);
    if (!in) throw InputError(file.string(), "", "cannot be read", "a readable file", "check its permissions");
    bytes.insert(bytes.end(), std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return std::make_shared<TokenFile>(kLicences, std::move(bytes));
}

std::vector<std::shared_ptr<const TokenFile>> opened(const std::vector<std::string>& files, TokenFormat format,
                                                     int64_t vocabulary) {
  std::vector<std::shared_ptr<const TokenFile>> open;
  for (const std::string& file : files) open.push_back(std::make_shared<TokenFile>(file, format, vocabulary));
  return open;
}

void check(const CorpusFiles& files, int64_t vocabulary) {
  if (files.format == TokenFormat::bytes && vocabulary < 256)
    throw InputError("--corpus-tokens", "", "are bytes, and the model's vocabulary has " + std::to_string(vocabulary),
                     "at least 256 of them", "give a file of token ids, or plan for a larger vocabulary");
  if (files.files.empty() && files.format != TokenFormat::bytes)
    throw InputError("--corpus-tokens", "", "are token ids, and the licence texts are bytes", "a file of them",
                     "name it with --corpus FILE");
  const auto no_weight = [](double weight) { return !(weight > 0) || !std::isfinite(weight); };
  if (!files.weights.empty() && (files.weights.size() != files.files.size() ||
                                 std::any_of(files.weights.begin(), files.weights.end(), no_weight)))
    throw InputError("--corpus-weights", "", "are not one positive number for each --corpus",
                     std::to_string(files.files.size()) + " numbers, in the order of the files", "");
}

}  // namespace

Corpora open_corpora(const CorpusFiles& files, int64_t sequence_length, int64_t vocabulary) {
  check(files, vocabulary);
  std::vector<std::shared_ptr<const TokenFile>> sources = opened(files.files, files.format, vocabulary);
  if (files.files.empty()) sources.push_back(licence_texts());
  std::vector<Corpus::Stretch> training, held_out;
  for (const std::shared_ptr<const TokenFile>& source : sources) {
    const auto last = static_cast<int64_t>(static_cast<double>(source->size()) * files.validation_share);
    training.push_back({source, 0, source->size() - last});
    if (files.validation_share > 0) held_out.push_back({source, source->size() - last, source->size()});
  }
  std::vector<double> held_out_weights = files.weights;
  for (const auto& source : opened(files.validation_files, files.format, vocabulary)) {
    held_out.push_back({source, 0, source->size()});
    held_out_weights.clear();
  }
  Corpora corpora{Corpus(std::move(training), files.weights, sequence_length), std::nullopt};
  if (!held_out.empty()) corpora.validation.emplace(std::move(held_out), std::move(held_out_weights), sequence_length);
  return corpora;
}

}  // namespace moesaic::executor
