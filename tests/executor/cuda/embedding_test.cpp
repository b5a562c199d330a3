#include "executor/cuda/embedding.h"

#include "executor/reference/embedding.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

template <typename Element>
class EmbeddingOnCuda : public CudaTestOf<Element> {
 protected:
  /// The backward pass sums in the order of the tokens, in f32 from the table's value, and rounds once: every bit is
  /// known.
  void compare(const std::vector<int32_t>& tokens, int64_t v, int64_t h, size_t offset) {
    SCOPED_TRACE(::testing::Message() << tokens.size() << " tokens of " << v << " x " << h << " offset " << offset);
    const auto m = static_cast<int64_t>(tokens.size());
    const auto table = random_elements<Element>(v * h, 1), dx = random_elements<Element>(m * h, 2);
    const auto before = random_elements<Element>(v * h, 3);
    std::vector<Element> x;
    Floats sums;
    for (Element value : before) sums.push_back(to_float(value));
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < h; ++j) {
        const auto at = static_cast<size_t>(tokens[static_cast<size_t>(i)] * h + j);
        x.push_back(table[at]);
        sums[at] += to_float(dx[static_cast<size_t>(i * h + j)]);
      }
    CudaBackend& b = *this->backend;
    const DeviceInts on_tokens(b, tokens);
    const DeviceArray<Element> on_table(b, table, offset), looked_up(b, poisoned_elements<Element>(m * h));
    const DeviceArray<Element> on_dx(b, dx, offset), dtable(b, before);
    embedding_forward(on_tokens.data(), on_table.data(), looked_up.data(), m, h, this->stream);
    embedding_backward(on_tokens.data(), on_dx.data(), dtable.data(), m, h, v, b.linear().scratch(), this->stream);
    EXPECT_EQ(looked_up.values(), x);
    EXPECT_EQ(dtable.values(), as_elements<Element>(sums));
  }
};
TYPED_TEST_SUITE(EmbeddingOnCuda, Elements);

std::vector<int32_t> squares_mod(int64_t m, int64_t v) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < m; ++i) tokens.push_back(static_cast<int32_t>(i * i % v));
  return tokens;
}

// 36 columns are whole vectors of f32 alone; 2064 are more vectors than a block has threads.
TYPED_TEST(EmbeddingOnCuda, SumsRepeatedTokensInTheirOrder) {
  for (const int64_t h : {1, 7, 36, 64, 2064}) this->compare(squares_mod(150, 47), 50, h, 0);
  this->compare(squares_mod(150, 47), 50, 64, 1);
}

TYPED_TEST(EmbeddingOnCuda, TakesOneTokenManyTokensAndNone) {
  this->compare({}, 5, 16, 0);
  this->compare({4}, 5, 16, 0);
  this->compare(std::vector<int32_t>(300, 0), 1, 16, 0);
  this->compare({100'003, 0, 65'536, 100'003}, 100'004, 8, 0);
}

TYPED_TEST(EmbeddingOnCuda, JoinsAndSplitsColumns) {
  for (const int64_t m : {0, 1, 5})
    for (const int64_t width : {1, 7, 16, 2080}) {
      SCOPED_TRACE(::testing::Message() << m << " x " << width);
      const int64_t parts = 3, h = parts * width;
      const auto pieces = random_elements<TypeParam>(m * h, 1);
      Doubles x64(pieces.size());
      reference::join_columns(to_double(pieces).data(), x64.data(), m, h, parts);
      const DeviceArray<TypeParam> from(*this->backend, pieces), x(*this->backend, poisoned_elements<TypeParam>(m * h));
      const DeviceArray<TypeParam> back(*this->backend, poisoned_elements<TypeParam>(m * h));
      join_columns(from.data(), x.data(), m, h, parts, this->stream);
      split_columns(x.data(), back.data(), m, h, parts, this->stream);
      EXPECT_EQ(to_double(x.values()), x64);
      EXPECT_EQ(back.values(), pieces);
    }
}

}  // namespace
}  // namespace moesaic::executor::cuda
