#include "executor/cuda/flatten.h"

#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

template <typename Element>
class FlattenOnCuda : public CudaTestOf<Element> {};
TYPED_TEST_SUITE(FlattenOnCuda, Elements);

// Whole numbers below 8: sums and squares are exact in f32. 70,001 elements are several blocks. A loss scale of 2
// halves the copy, after its squares have been summed.
TYPED_TEST(FlattenOnCuda, CopiesScalesAndSums) {
  StreamScratch scratch;
  for (const int64_t n : {0, 1, 255, 70'001}) {
    Floats g, half;
    float sum = 0, squares = 0;
    for (int64_t i = 0; i < n; ++i) {
      g.push_back(static_cast<float>(i % 11) - 3);
      half.push_back(g.back() / 2);
      sum += std::abs(g.back()), squares += g.back() * g.back();
    }
    const DeviceArray<TypeParam> on_g(*this->backend, as_elements<TypeParam>(g));
    const DeviceFloats widened(*this->backend, Floats(g.size(), -1.0f)), copy(*this->backend, Floats(g.size(), -1.0f));
    const DeviceFloats statistics(*this->backend, {1.0f, 2.0f});
    flatten_gradient(on_g.data(), widened.data(), copy.data(), statistics.data(), n, 2.0f, scratch, this->stream);
    EXPECT_EQ(copy.values(), half) << n;
    EXPECT_EQ(statistics.values(), (Floats{1 + sum, 2 + squares})) << n;
  }
}

}  // namespace
}  // namespace moesaic::executor::cuda
