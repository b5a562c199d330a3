#include "executor/cuda/einsum_rows.h"

#include "executor/reference/einsum_rows.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

template <typename Element>
class EinsumRowsOnCuda : public CudaTestOf<Element> {};
TYPED_TEST_SUITE(EinsumRowsOnCuda, Elements);

// 5 tokens with top-2 and 2 slices on 24 rows of 40: two choices are dropped, one has a weight of 0. Masks of powers of
// two are exact in either format.
TYPED_TEST(EinsumRowsOnCuda, AgreesWithTheReference) {
  constexpr int64_t kTopK = 2, kSlices = 2;
  const MaskShape shape{5, 24, 40};
  const auto [m, n, k] = shape;
  const std::vector<int32_t> order = {3, 9, 0, 12, -1, -1, 20, 21, 7, 8, 1, 2, 23, 22, -1, -1, 5, 6, 10, 11};
  const Floats weights = {0.5f, 0.25f, 0, 1, 0.125f, 0, 0.5f, 0, 0.125f, 0.25f};
  Doubles combine64(static_cast<size_t>(m * n)), weights64(combine64.size()), mask64(combine64.size());
  reference::make_masks(order.data(), weights.data(), combine64.data(), weights64.data(), mask64.data(), kTopK, kSlices,
                        shape);
  const auto x = random_elements<TypeParam>(m * k, 1), returned = random_elements<TypeParam>(n * k, 2);
  Doubles rows64(static_cast<size_t>(n * k)), sum64(x.size()), dmasks64(combine64.size()), dweights64(weights.size());
  reference::einsum_dispatch(to_double(x).data(), mask64.data(), rows64.data(), shape);
  reference::einsum_combine(to_double(returned).data(), weights64.data(), to_double(x).data(), sum64.data(), shape);
  reference::einsum_weights_gradient(to_double(x).data(), to_double(returned).data(), order.data(), dmasks64.data(),
                                     dweights64.data(), kTopK, kSlices, shape);

  const DeviceArray<int32_t> on_order(*this->backend, order);
  const DeviceFloats on_weights(*this->backend, weights), combine(*this->backend, poisoned(m * n)),
      dmasks(*this->backend, poisoned(m * n)), dweights(*this->backend, poisoned(m * kTopK));
  const DeviceArray<TypeParam> on_x(*this->backend, x), on_returned(*this->backend, returned),
      weights_mask(*this->backend, poisoned_elements<TypeParam>(m * n)),
      mask(*this->backend, poisoned_elements<TypeParam>(m * n)),
      rows(*this->backend, poisoned_elements<TypeParam>(n * k)),
      sum(*this->backend, poisoned_elements<TypeParam>(m * k)), in_place(*this->backend, x);
  Linear linear;
  make_masks(on_order.data(), on_weights.data(), combine.data(), weights_mask.data(), mask.data(), kTopK, kSlices,
             shape, this->stream);
  einsum_dispatch<TypeParam>(linear, on_x.data(), mask.data(), rows.data(), shape, this->stream);
  einsum_combine<TypeParam>(linear, on_returned.data(), weights_mask.data(), on_x.data(), sum.data(), shape,
                            this->stream);
  einsum_combine<TypeParam>(linear, on_returned.data(), weights_mask.data(), in_place.data(), in_place.data(), shape,
                            this->stream);
  einsum_weights_gradient<TypeParam>(linear, on_x.data(), on_returned.data(), on_order.data(), dmasks.data(),
                                     dweights.data(), kTopK, kSlices, shape, this->stream);
  expect_stored(mask.values(), mask64, 0, "mask");
  expect_stored(weights_mask.values(), weights64, 0, "weights");
  expect_stored(rows.values(), rows64, 1e-6, "rows");
  expect_stored(sum.values(), sum64, 1e-6, "sum");
  expect_stored(in_place.values(), sum64, 1e-6, "sum in place");
  expect_close(dmasks.values(), dmasks64, 1e-6, "dmasks");
  expect_close(dweights.values(), dweights64, 1e-6, "dweights");
}

}  // namespace
}  // namespace moesaic::executor::cuda
