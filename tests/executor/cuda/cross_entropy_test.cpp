#include "executor/cuda/cross_entropy.h"

#include "executor/reference/cross_entropy.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

template <typename Element>
class CrossEntropyOnCuda : public CudaTestOf<Element> {
 protected:
  double run(const DeviceArray<Element>& logits, const std::vector<int32_t>& targets,
             const DeviceArray<Element>& dlogits, int64_t v, double before) {
    const DeviceInts on_targets(*this->backend, targets);
    const DeviceArray<double> loss(*this->backend, {before});
    cross_entropy(logits.data(), on_targets.data(), dlogits.data(), loss.data(), static_cast<int64_t>(targets.size()),
                  v, 0.125, this->backend->linear().scratch(), this->stream);
    return loss.values()[0];
  }

  /// The loss comes out of f32 sums of v exponentials: 1e-6 of it. Gradients are at most 0.125.
  void compare(int64_t m, int64_t v, size_t offset) {
    SCOPED_TRACE(::testing::Message() << m << " x " << v << " offset " << offset);
    CudaBackend& b = *this->backend;
    const auto logits = random_elements<Element>(m * v, 1, 20.0);
    std::vector<int32_t> targets;
    for (int64_t t = 0; t < m; ++t) targets.push_back(static_cast<int32_t>(t * 37 % v));
    Doubles dlogits64(logits.size());
    const double loss64 =
        reference::cross_entropy(to_double(logits).data(), targets.data(), dlogits64.data(), m, v, 0.125);
    const DeviceArray<Element> on_logits(b, logits), dlogits(b, poisoned_elements<Element>(m * v), offset),
        in_place(b, logits);
    const double loss = run(on_logits, targets, dlogits, v, 3.0);
    EXPECT_NEAR(loss, 3.0 + 0.125 * loss64, 1e-6 * (1.0 + loss64));
    expect_stored(dlogits.values(), dlogits64, 1e-6, "dlogits");
    if (offset != 0) return;
    EXPECT_EQ(run(in_place, targets, in_place, v, 3.0), loss);
    EXPECT_EQ(in_place.values(), dlogits.values());
  }
};
TYPED_TEST_SUITE(CrossEntropyOnCuda, Elements);

// Rows of 17 and 1001 begin between 16-byte boundaries; from 8193 on 1024 threads take a row.
TYPED_TEST(CrossEntropyOnCuda, AgreesWithTheReferenceAlsoInPlace) {
  for (const int64_t m : {0, 1, 6})
    for (const int64_t v : {1, 2, 17, 256, 1001, 9003}) this->compare(m, v, 0);
}

TYPED_TEST(CrossEntropyOnCuda, ReadsAndWritesAtDifferentBoundaries) {
  for (const int64_t v : {2, 17, 256}) this->compare(3, v, 1);
}

// At most 1056 blocks of 256 threads take a row each at a time; 256 threads add the losses.
TYPED_TEST(CrossEntropyOnCuda, TakesMoreRowsThanBlocks) { this->compare(1100, 5, 0); }

TYPED_TEST(CrossEntropyOnCuda, NaNInALogitReachesTheLoss) {
  const DeviceArray<TypeParam> dlogits(*this->backend, poisoned_elements<TypeParam>(3));
  const DeviceArray<TypeParam> logits(*this->backend,
                                      as_elements<TypeParam>({0.0f, std::numeric_limits<float>::quiet_NaN(), 1.0f}));
  EXPECT_TRUE(std::isnan(this->run(logits, {0}, dlogits, 3, 0.0)));
}

// The other two logits are equal: the loss is ln 2, their gradients 0.125 (1/2 - 1) and 0.125 / 2.
TYPED_TEST(CrossEntropyOnCuda, AnExcludedTokenCountsNothing) {
  constexpr float kExcluded = -std::numeric_limits<float>::infinity();
  const DeviceArray<TypeParam> dlogits(*this->backend, poisoned_elements<TypeParam>(3));
  const DeviceArray<TypeParam> logits(*this->backend, as_elements<TypeParam>({kExcluded, 2.0f, 2.0f}));
  EXPECT_NEAR(this->run(logits, {1}, dlogits, 3, 0.0), 0.125 * std::log(2.0), 1e-7);
  EXPECT_EQ(to_double(dlogits.values()), (Doubles{0.0, -0.0625, 0.0625}));
}

}  // namespace
}  // namespace moesaic::executor::cuda
