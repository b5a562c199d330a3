#include "executor/cuda/cross_entropy.h"

#include "executor/reference/cross_entropy.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

class CrossEntropyOnCuda : public CudaTest {
 protected:
  double run(const DeviceFloats& logits, const std::vector<int32_t>& targets, const DeviceFloats& dlogits, int64_t v,
             double before) {
    const DeviceInts on_targets(*backend, targets);
    const DeviceArray<double> loss(*backend, {before});
    cross_entropy(logits.data(), on_targets.data(), dlogits.data(), loss.data(), static_cast<int64_t>(targets.size()),
                  v, 0.125, backend->linear().scratch(), stream);
    return loss.values()[0];
  }
};

TEST_F(CrossEntropyOnCuda, AgreesWithTheReferenceAlsoInPlace) {
  for (const int64_t m : {1, 6, 600})
    for (const int64_t v : {1, 2, 17, 256, 1001}) {
      SCOPED_TRACE(testing::Message() << m << " x " << v);
      const Floats logits = random_floats(m * v, 1, 20.0);
      std::vector<int32_t> targets;
      for (int64_t t = 0; t < m; ++t) targets.push_back(static_cast<int32_t>(t * 37 % v));
      Doubles dlogits64(logits.size());
      const double loss64 =
          reference::cross_entropy(to_double(logits).data(), targets.data(), dlogits64.data(), m, v, 0.125);
      const DeviceFloats on_logits(*backend, logits), dlogits(*backend, poisoned(m * v)), in_place(*backend, logits);
      const double loss = run(on_logits, targets, dlogits, v, 3.0);
      EXPECT_NEAR(loss, 3.0 + 0.125 * loss64, 1e-6 * (1.0 + loss64));
      const Floats values = dlogits.values();
      for (size_t i = 0; i < values.size(); ++i) ASSERT_NEAR(values[i], dlogits64[i], 1e-7) << i;
      EXPECT_EQ(run(in_place, targets, in_place, v, 3.0), loss);
      EXPECT_EQ(in_place.values(), values);
    }
}

TEST_F(CrossEntropyOnCuda, NaNInALogitReachesTheLoss) {
  const DeviceFloats logits(*backend, {0.0f, std::numeric_limits<float>::quiet_NaN(), 1.0f}),
      dlogits(*backend, poisoned(3));
  EXPECT_TRUE(std::isnan(run(logits, {0}, dlogits, 3, 0.0)));
}

}  // namespace
}  // namespace moesaic::executor::cuda
