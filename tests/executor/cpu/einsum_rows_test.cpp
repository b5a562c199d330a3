#include "executor/cpu/einsum_rows.h"

#include "executor/reference/einsum_rows.h"
#include "tests/executor/cpu/test_arrays.h"

namespace moesaic::executor::cpu {
namespace {

/// 5 tokens with top-2 and 2 slices on 24 rows of 19: two choices are dropped, one has a weight of 0.
struct Routed {
  static constexpr int64_t kTopK = 2, kSlices = 2;
  MaskShape shape{5, 24, 19};
  std::vector<int32_t> rows = {3, 9, 0, 12, -1, -1, 20, 21, 7, 8, 1, 2, 23, 22, -1, -1, 5, 6, 10, 11};
  Floats weights = {0.5f, 0.25f, 0, 1, 0.75f, 0, 0.375f, 0, 0.125f, 0.625f};
};

TEST(EinsumRows, MasksHaveTheWeightsOfTheirChoices) {
  const Routed r;
  const auto elements = r.shape.m * r.shape.n;
  Floats combine = poisoned(elements), weights = poisoned(elements), mask = poisoned(elements);
  make_masks(r.rows.data(), r.weights.data(), combine.data(), weights.data(), mask.data(), r.kTopK, r.kSlices, r.shape);
  Floats expected(static_cast<size_t>(elements), 0.0f), ones = expected;
  for (size_t i = 0; i < r.rows.size(); ++i)
    if (r.rows[i] >= 0 && r.weights[i / 2] != 0) {
      const size_t at = i / 4 * 24 + static_cast<size_t>(r.rows[i]);
      expected[at] = r.weights[i / 2], ones[at] = 1;
    }
  EXPECT_EQ(combine, expected);
  EXPECT_EQ(weights, expected);
  EXPECT_EQ(mask, ones);
}

TEST(EinsumRows, ProductsAgreeWithTheReference) {
  const Routed r;
  const auto [m, n, k] = r.shape;
  const Floats x = random_floats(m * k, 1), returned = random_floats(n * k, 2), mask = random_floats(m * n, 3);
  Floats rows = poisoned(n * k), sum = poisoned(m * k), in_place = x, dmasks = poisoned(m * n),
         dweights = poisoned(m * r.kTopK);
  Doubles rows64(rows.size()), sum64(sum.size()), dmasks64(dmasks.size()), dweights64(dweights.size());
  einsum_dispatch(x.data(), mask.data(), rows.data(), r.shape);
  einsum_combine(returned.data(), mask.data(), x.data(), sum.data(), r.shape);
  einsum_combine(returned.data(), mask.data(), in_place.data(), in_place.data(), r.shape);
  einsum_weights_gradient(x.data(), returned.data(), r.rows.data(), dmasks.data(), dweights.data(), r.kTopK, r.kSlices,
                          r.shape);
  const Doubles x64 = to_double(x), returned64 = to_double(returned), mask64 = to_double(mask);
  reference::einsum_dispatch(x64.data(), mask64.data(), rows64.data(), r.shape);
  reference::einsum_combine(returned64.data(), mask64.data(), x64.data(), sum64.data(), r.shape);
  reference::einsum_weights_gradient(x64.data(), returned64.data(), r.rows.data(), dmasks64.data(), dweights64.data(),
                                     r.kTopK, r.kSlices, r.shape);
  expect_close(rows, rows64, 1e-6, "rows");
  expect_close(sum, sum64, 1e-6, "sum");
  expect_close(in_place, sum64, 1e-6, "sum in place");
  expect_close(dmasks, dmasks64, 1e-6, "dmasks");
  expect_close(dweights, dweights64, 1e-6, "dweights");
}

}  // namespace
}  // namespace moesaic::executor::cpu
