#include "executor/cuda/permute.h"

#include "executor/reference/permute.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

/// Rows of the send buffer for `count` rows in a scattered order (7 is coprime to the counts below), those of every
/// fifth choice dropped.
std::vector<int32_t> scattered_rows(int64_t count, int64_t slices, int64_t& rows) {
  std::vector<int32_t> row_of_choice(static_cast<size_t>(count), -1);
  rows = 0;
  for (int64_t i = 0; i < count; ++i)
    if (const int64_t at = i * 7 % count; at / slices % 5 != 4)
      row_of_choice[static_cast<size_t>(at)] = static_cast<int32_t>(rows++);
  return row_of_choice;
}

template <typename Element>
class PermuteOnCuda : public CudaTest {
 protected:
  /// The reference knows no slices: a choice of s slices is s choices of the same weight, whose gradients add up.
  void compare(const PermuteShape& s, size_t offset) {
    SCOPED_TRACE(::testing::Message() << s.m << " tokens, top " << s.top_k << ", " << s.slices << " slices, hidden "
                                      << s.h);
    const int64_t choices = s.m * s.top_k;
    int64_t rows = 0;
    const std::vector<int32_t> order = scattered_rows(choices * s.slices, s.slices, rows);
    const auto z = random_elements<Element>(s.m * s.h, 1), returned = random_elements<Element>(rows * s.h, 2),
               dout = random_elements<Element>(s.m * s.h, 4), dz_before = random_elements<Element>(s.m * s.h, 5);
    const Floats weights = random_floats(choices, 3);
    Doubles weight_of_row;
    for (float weight : weights) weight_of_row.insert(weight_of_row.end(), static_cast<size_t>(s.slices), weight);
    const reference::PermuteShape shape64{s.m, s.top_k * s.slices, s.h};
    Doubles send64(returned.size()), dz64 = to_double(dz_before), out64(z.size()), dreturned64(returned.size()),
                                     dweight_of_row(weight_of_row.size()), dweights64(weights.size(), 0.0);
    reference::permute_forward(to_double(z).data(), order.data(), send64.data(), shape64);
    reference::permute_backward(to_double(returned).data(), order.data(), dz64.data(), shape64);
    reference::unpermute_forward(to_double(returned).data(), order.data(), weight_of_row.data(), to_double(z).data(),
                                 out64.data(), shape64);
    reference::unpermute_backward(to_double(dout).data(), to_double(returned).data(), order.data(),
                                  weight_of_row.data(), dreturned64.data(), dweight_of_row.data(), shape64);
    for (size_t i = 0; i < dweight_of_row.size(); ++i)
      dweights64[i / static_cast<size_t>(s.slices)] += dweight_of_row[i];

    using Array = DeviceArray<Element>;
    const DeviceInts on_order(*backend, order);
    const DeviceFloats on_weights(*backend, weights), dweights(*backend, poisoned(choices));
    const Array on_z(*backend, z, offset), on_returned(*backend, returned, offset), on_dout(*backend, dout, offset);
    const Array send(*backend, poisoned_elements<Element>(rows * s.h), offset), dz(*backend, dz_before, offset),
        out(*backend, z, offset), dreturned(*backend, poisoned_elements<Element>(rows * s.h), offset);
    permute_forward<Element>(on_z.data(), on_order.data(), send.data(), s, stream);
    permute_backward<Element>(on_returned.data(), on_order.data(), dz.data(), s, stream);
    unpermute_forward<Element>(on_returned.data(), on_order.data(), on_weights.data(), out.data(), out.data(), s,
                               stream);
    unpermute_backward<Element>(on_dout.data(), on_returned.data(), on_order.data(), on_weights.data(),
                                dreturned.data(), dweights.data(), s, stream);
    EXPECT_EQ(to_double(send.values()), send64);
    expect_stored(dz.values(), dz64, 1e-6, "dz");
    expect_stored(out.values(), out64, 1e-6, "out");
    expect_stored(dreturned.values(), dreturned64, 1e-6, "dreturned");
    expect_close(dweights.values(), dweights64, 2e-6, "dweights");
  }
};
TYPED_TEST_SUITE(PermuteOnCuda, Elements);

// Hidden sizes with and without whole 16-byte packs, in one pass of a block and in several; offset 1: packs that the
// pointers do not allow.
TYPED_TEST(PermuteOnCuda, AgreesWithTheReference) {
  for (const auto& [m, k] : {std::pair<int64_t, int64_t>{1, 1}, {5, 2}, {64, 4}, {33, 1}})
    for (const int64_t h : {1, 8, 30, 512, 1032}) this->compare({m, k, 1, h}, 0);
  this->compare({33, 2, 2, 24}, 0);
  this->compare({10, 3, 4, 19}, 0);
  this->compare({33, 2, 1, 64}, 1);
}

// Token 0 has two rows on the first of two nodes, token 1 one on each, token 2 is dropped; with whole packs and
// without.
TYPED_TEST(PermuteOnCuda, WritesARowPerTokenAndNode) {
  for (const int64_t h : {8, 6}) {
    const auto z = random_elements<TypeParam>(3 * h, 1);
    const DeviceInts rows(*this->backend, {0, 2, 3, 1, -1, -1}), places(*this->backend, {0, 0, 2, 1, -1, -1}),
        place_of_row(*this->backend, {77, 77, 77, 77});
    const DeviceArray<TypeParam> on_z(*this->backend, z), send(*this->backend, poisoned_elements<TypeParam>(3 * h));
    permute_once<TypeParam>(on_z.data(), rows.data(), places.data(), send.data(), place_of_row.data(), {3, 2, 1, h},
                            this->stream);
    auto expected = to_double(z);
    expected.resize(2 * h);
    expected.insert(expected.end(), expected.begin() + h, expected.end());
    EXPECT_EQ(to_double(send.values()), expected);
    EXPECT_EQ(place_of_row.values(), (std::vector<int32_t>{0, 1, 0, 2}));
  }
}

TYPED_TEST(PermuteOnCuda, WithoutResidualStartsFromZero) {
  const auto returned = random_elements<TypeParam>(2 * 6, 1);
  const DeviceInts order(*this->backend, {1, -1, 0});
  const DeviceFloats weights(*this->backend, {2.0f, 3.0f, 0.5f});  // powers of two where rows are kept: exact
  const DeviceArray<TypeParam> rows(*this->backend, returned), out(*this->backend, poisoned_elements<TypeParam>(3 * 6));
  unpermute_forward<TypeParam>(rows.data(), order.data(), weights.data(), nullptr, out.data(), {3, 1, 1, 6},
                               this->stream);
  Doubles expected(18, 0.0);
  for (size_t j = 0; j < 6; ++j)
    expected[j] = 2.0 * to_double(returned)[6 + j], expected[12 + j] = 0.5 * to_double(returned)[j];
  EXPECT_EQ(to_double(out.values()), expected);
}

}  // namespace
}  // namespace moesaic::executor::cuda
