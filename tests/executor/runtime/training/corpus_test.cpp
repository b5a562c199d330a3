// Which sequences are drawn from which files, and what is no corpus.
#include "executor/runtime/training/corpus.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>

#include "core/schema/error.h"
#include "core/schema/hash.h"
#include "tests/executor/checkpoint/toy_state.h"

namespace moesaic::executor {
namespace {

constexpr int64_t kLength = 8;

/// Files in a folder that ends with the test.
struct Files {
  TestFolder folder;
  Files() { std::filesystem::create_directory(folder.path); }

  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder.path + "/" + name, std::ios::binary) << bytes;
    return folder.path + "/" + name;
  }
};

/// Little endian, as `width` bytes each.
std::string encoded(const std::vector<int64_t>& tokens, int width) {
  std::string bytes;
  for (const int64_t token : tokens)
    for (int byte = 0; byte < width; ++byte) bytes.push_back(static_cast<char>(token >> (8 * byte)));
  return bytes;
}

std::vector<int64_t> counted(int64_t first, int64_t count) {
  std::vector<int64_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(first + i);
  return tokens;
}

/// kLength inputs and the target of the last of them.
std::vector<int32_t> drawn(const Corpus& corpus, int64_t step, int64_t index, uint64_t seed = 7) {
  std::vector<int32_t> inputs(kLength), targets(kLength);
  corpus.sequence(seed, step, index, kLength, inputs.data(), targets.data());
  for (int64_t i = 1; i < kLength; ++i) EXPECT_EQ(inputs[static_cast<size_t>(i)], targets[static_cast<size_t>(i) - 1]);
  inputs.push_back(targets.back());
  return inputs;
}

std::string corpus_refusal(const std::function<void()>& of) {
  try {
    of();
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

// Token ids as nanoGPT and Megatron write them; the third file's are bytes. Tokens count up, so that the first says
// where a sequence starts: at draw mod (files' starts, one behind the other), of docs/training_model.md.
TEST(Corpus, DrawsFromFilesBySize) {
  const Files files;
  const std::vector<std::string> names = {files.write("a", encoded(counted(1000, 40), 2)),
                                          files.write("b", encoded(counted(5000, 400), 2))};
  const Corpora corpora = open_corpora({.files = names, .format = TokenFormat::uint16}, kLength, 50'257);
  EXPECT_FALSE(corpora.validation || corpora.training.bigram_entropy());
  std::vector<int32_t> starts;  // every place where a sequence may start: 40 - 8 and 400 - 8
  for (int32_t i = 0; i < 32; ++i) starts.push_back(1000 + i);
  for (int32_t i = 0; i < 392; ++i) starts.push_back(5000 + i);
  for (int64_t step = 0; step < 50; ++step)
    for (int64_t index = 0; index < 4; ++index) {
      const uint64_t draw =
          splitmix64(splitmix64(7 ^ 0x636F72707573) + static_cast<uint64_t>(step * (1 << 20) + index));
      const int32_t first = starts[draw % starts.size()];
      const std::vector<int64_t> expected = counted(first, kLength + 1);
      EXPECT_EQ(drawn(corpora.training, step, index), std::vector<int32_t>(expected.begin(), expected.end()));
    }
}

TEST(Corpus, ReadsEveryFormat) {
  const Files files;
  for (const auto& [format, width, first] :
       {std::tuple{TokenFormat::bytes, 1, 200}, {TokenFormat::uint16, 2, 65'500}, {TokenFormat::uint32, 4, 150'000}}) {
    const std::string name = files.write("tokens", encoded(counted(first, kLength + 1), width));  // one place to start
    const Corpora corpora = open_corpora({.files = {name}, .format = format}, kLength, 200'000);
    const std::vector<int64_t> expected = counted(first, kLength + 1);
    EXPECT_EQ(drawn(corpora.training, 3, 5), std::vector<int32_t>(expected.begin(), expected.end()));
  }
}

// Of 4000 sequences 3000 with a standard deviation of 27.
TEST(Corpus, DrawsFromFilesByWeight) {
  const Files files;
  const std::vector<std::string> names = {files.write("a", std::string(100, 'a')),
                                          files.write("b", std::string(100'000, 'b'))};
  const Corpora corpora = open_corpora({.files = names, .weights = {6, 2}}, kLength, 256);
  int64_t of_a = 0;
  for (int64_t i = 0; i < 4000; ++i) {
    const std::vector<int32_t> tokens = drawn(corpora.training, i / 100, i % 100);
    EXPECT_EQ(tokens.front(), tokens.back());  // of one file
    of_a += tokens.front() == 'a' ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(of_a), 3000, 5 * 27);
}

// The last tenth of 1000 bytes; each part as long as the other in what it shows of itself.
TEST(Corpus, HoldsTheEndOut) {
  const Files files;
  const std::string name = files.write("text", std::string(900, 't') + std::string(100, 'v'));
  const Corpora corpora = open_corpora({.files = {name}, .validation_share = 0.1}, kLength, 256);
  ASSERT_TRUE(corpora.validation);
  for (int64_t i = 0; i < 3000; ++i) {
    EXPECT_EQ(drawn(corpora.training, i, 0), std::vector<int32_t>(kLength + 1, 't'));
    EXPECT_EQ(drawn(*corpora.validation, i, 0), std::vector<int32_t>(kLength + 1, 'v'));
  }
  const std::string other = files.write("other", std::string(50, 'o'));
  const Corpora apart = open_corpora({.files = {name}, .validation_files = {other}}, kLength, 256);
  EXPECT_EQ(drawn(*apart.validation, 0, 0), std::vector<int32_t>(kLength + 1, 'o'));
}

// ln 2: after an a comes an a or a b, after a b an a or a b, all four 500 times, give or take the last one.
TEST(Corpus, KnowsWhatABigramModelReaches) {
  const Files files;
  std::string text;
  while (text.size() < 200'000) text += "aabb";
  const Corpora whole = open_corpora({.files = {files.write("text", text)}}, kLength, 256);
  EXPECT_NEAR(*whole.training.bigram_entropy(), std::log(2), 1e-5);
  EXPECT_EQ(*whole.training.bigram_entropy(), *Corpus(std::vector<uint8_t>(text.begin(), text.end())).bigram_entropy());
}

// 8 GiB without a byte on the disk but the last ones. What is read is what is drawn: 17 bytes of 8 tokens and a target.
TEST(Corpus, OfManyGigabytesTakesWhatIsDrawn) {
  const Files files;
  const std::string name = files.write("sparse", "");
  std::filesystem::resize_file(name, uintmax_t{8} << 30);
  const auto file = std::make_shared<TokenFile>(name, TokenFormat::uint16, 50'257);
  EXPECT_EQ(file->size(), int64_t{4} << 30);
  const Corpus corpus({{file, 0, file->size()}}, {}, kLength);
  for (int64_t step = 0; step < 100; ++step) EXPECT_EQ(drawn(corpus, step, 0), std::vector<int32_t>(kLength + 1, 0));
  EXPECT_EQ(file->bytes_read(), 100 * (kLength + 1) * 2);
}

TEST(Corpus, OfATokenBeyondTheVocabularySaysWhere) {
  const Files files;
  std::vector<int64_t> tokens(kLength + 1, 1);
  tokens[6] = 50'257;
  const std::string name = files.write("tokens.bin", encoded(tokens, 2));
  const Corpora corpora = open_corpora({.files = {name}, .format = TokenFormat::uint16}, kLength, 50'257);
  EXPECT_EQ(corpus_refusal([&] { drawn(corpora.training, 0, 0); }),
            name +
                ": has the token 50257 at token 6, byte 12; expected ids below 50257, the model's vocabulary; train "
                "with the vocabulary of its tokenizer; are its tokens uint16?");
  EXPECT_NO_THROW(
      drawn(open_corpora({.files = {name}, .format = TokenFormat::uint16}, kLength, 50'258).training, 0, 0));
}

TEST(Corpus, RefusesWhatCannotBeTrainedOn) {
  const Files files;
  const std::string pipe = files.folder.path + "/pipe", text = files.write("text", "123456789 123456789");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const auto of = [](const CorpusFiles& asked, int64_t vocabulary = 256) {
    return corpus_refusal([&] { open_corpora(asked, kLength, vocabulary); });
  };
  EXPECT_EQ(of({.files = {text}}), "accepted");
  for (const auto& [name, problem] : std::vector<std::pair<std::string, std::string>>{
           {"/dev/zero", "is a device or a socket; expected a regular file"},
           {pipe, "is a pipe; expected a regular file"},
           {files.folder.path, "is a directory"},
           {"/nonexistent/file", "does not exist"},
           {files.write("short", "12345678"), "has 8 bytes; expected more than the sequence length of 8"}}) {
    EXPECT_NE(of({.files = {name}}).find(name + ": " + problem), std::string::npos) << of({.files = {name}});
    EXPECT_NE(of({.files = {text}, .validation_files = {name}}).find(problem), std::string::npos);
  }
  EXPECT_NE(of({.files = {text}, .format = TokenFormat::uint16}).find("has 19 bytes; expected whole tokens of uint16"),
            std::string::npos);
  EXPECT_NE(of({.files = {text}, .validation_share = 0.1}).find("has 1 bytes in this part of it"), std::string::npos);
  EXPECT_NE(of({.files = {text}, .weights = {1, 2}}).find("--corpus-weights"), std::string::npos);
  EXPECT_NE(of({.files = {text}, .weights = {0}}).find("--corpus-weights"), std::string::npos);
  EXPECT_NE(of({.files = {text}}, 255).find("at least 256"), std::string::npos);
  EXPECT_NE(of({.format = TokenFormat::uint16}).find("name it with --corpus FILE"), std::string::npos);
}

}  // namespace
}  // namespace moesaic::executor
