#include "executor/runtime/residency/gradient_sums.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/schema/bfloat16.h"

namespace moesaic::executor {
namespace {

using Floats = std::vector<float>;

const SlotLayout kSumsLayout{{2, 3}};  // elements of up and down

Floats values(const float* sums, size_t parameter) { return {sums, sums + kSumsLayout.elements[parameter]}; }

// bf16 has 8 bits: 1, 2 and 0.5 are exact.
TEST(GradientSums, AddsBothFormats) {
  PeakBytes host;
  GradientSums sums(kSumsLayout, host);
  const Floats up = {1, 2}, down = {3, 4, 5};
  const std::vector<BFloat16> more = {to_bf16(1), to_bf16(2), to_bf16(0.5f)};
  sums.add(1, 7, 0, up.data(), DType::f32);
  sums.add(1, 7, 0, up.data(), DType::f32);
  sums.add(1, 7, 1, down.data(), DType::f32);
  sums.add(1, 7, 1, more.data(), DType::bf16);
  EXPECT_EQ(values(sums.of(1, 7)[0], 0), (Floats{2, 4}));
  EXPECT_EQ(values(sums.of(1, 7)[1], 1), (Floats{4, 6, 5.5}));
}

// Two slots of 5 elements of 4 bytes; the layer's sums begin at 0 again once it has been cleared.
TEST(GradientSums, TakesMemoryOfSlotsThatHaveGradients) {
  PeakBytes host;
  GradientSums sums(kSumsLayout, host);
  const Floats up = {1, 2};
  sums.add(0, 0, 0, up.data(), DType::f32);
  sums.add(0, 3, 0, up.data(), DType::f32);
  sums.add(0, 3, 0, up.data(), DType::f32);
  EXPECT_EQ(host.live(), 40);
  sums.clear(0);
  EXPECT_EQ(host.live(), 0);
  EXPECT_EQ(host.peak(), 40);
  sums.add(0, 3, 0, up.data(), DType::f32);
  EXPECT_EQ(values(sums.of(0, 3)[0], 0), (Floats{1, 2}));
}

TEST(GradientSums, NamesTheFirstThatIsNotFinite) {
  PeakBytes host;
  GradientSums sums(kSumsLayout, host);
  const Floats fine = {1, 2, 3}, poisoned = {1, std::numeric_limits<float>::quiet_NaN(), 0};
  sums.add(2, 0, 1, fine.data(), DType::f32);
  EXPECT_EQ(sums.find_non_finite(2, nullptr, {}), std::nullopt);
  sums.add(2, 5, 1, poisoned.data(), DType::f32);
  EXPECT_EQ(sums.find_non_finite(2, nullptr, {}), 1u);
  sums.add(2, 1, 0, poisoned.data(), DType::f32);
  EXPECT_EQ(sums.find_non_finite(2, nullptr, {}), 0u);            // of slot 1
  EXPECT_EQ(sums.find_non_finite(0, nullptr, {}), std::nullopt);  // another layer, of which there are none
}

}  // namespace
}  // namespace moesaic::executor
