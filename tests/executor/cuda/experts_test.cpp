#include "executor/cuda/experts.h"

#include <numeric>

#include "executor/reference/experts.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

template <typename Element>
class ExpertsOnCuda : public CudaTest {
 protected:
  /// Pointers to the slots' matrices in one array, the first slot's last as a window may hold them; empty ones null.
  template <typename T>
  static std::vector<T*> matrices(T* all, const ExpertsShape& s, const std::vector<int64_t>& rows_per_slot) {
    std::vector<T*> pointers;
    for (int64_t slot = 0; slot < s.slots; ++slot)
      pointers.push_back(rows_per_slot[static_cast<size_t>(slot)] == 0 ? nullptr
                                                                       : all + (s.slots - 1 - slot) * s.h * s.f);
    return pointers;
  }

  /// The gradients are computed from what the forward pass stored, here and in the reference. tolerance: of f32 sums;
  /// in bf16 `a` and `du` are rounded, each to 2^-8 of its size, before products sum them.
  void compare(const ExpertsShape& s, const std::vector<int64_t>& rows_per_slot, double tolerance) {
    SCOPED_TRACE(testing::Message() << s.slots << " slots, " << s.h << " x " << s.f);
    const int64_t rows = std::accumulate(rows_per_slot.begin(), rows_per_slot.end(), int64_t{0});
    const int64_t* counts = rows_per_slot.data();
    const auto x = random_elements<Element>(rows * s.h, 1), dy = random_elements<Element>(rows * s.h, 2),
               up = random_elements<Element>(s.slots * s.f * s.h, 3),
               down = random_elements<Element>(s.slots * s.h * s.f, 4);
    const Doubles x64 = to_double(x), dy64 = to_double(dy), up64 = to_double(up), down64 = to_double(down);
    Doubles u64(static_cast<size_t>(rows * s.f)), a64 = u64, du64 = u64, y64(x.size()), dx64(x.size());
    Doubles dup64 = up64, ddown64 = down64;
    const reference::ExpertsShape r{s.slots, s.h, s.f};
    const std::vector<int64_t> full(rows_per_slot.size(), 1);  // the reference also reads empty slots
    const auto ups64 = matrices(up64.data(), s, full), downs64 = matrices(down64.data(), s, full);
    reference::experts_forward(x64.data(), counts, ups64.data(), downs64.data(), u64.data(), a64.data(), y64.data(), r);
    reference::experts_dgrad(dy64.data(), u64.data(), counts, ups64.data(), downs64.data(), du64.data(), dx64.data(),
                             r);
    reference::experts_wgrad(dy64.data(), du64.data(), x64.data(), a64.data(), counts,
                             matrices(dup64.data(), s, full).data(), matrices(ddown64.data(), s, full).data(), r);

    using Array = DeviceArray<Element>;
    const Array on_x(*backend, x), on_dy(*backend, dy), on_up(*backend, up), on_down(*backend, down);
    const auto nothing_f = poisoned_elements<Element>(rows * s.f), nothing_h = poisoned_elements<Element>(rows * s.h);
    const Array u(*backend, nothing_f), a(*backend, nothing_f), du(*backend, nothing_f), y(*backend, nothing_h),
        dx(*backend, nothing_h), dup(*backend, up), ddown(*backend, down);
    const auto ups = matrices<const Element>(on_up.data(), s, rows_per_slot),
               downs = matrices<const Element>(on_down.data(), s, rows_per_slot);
    Linear& linear = backend->linear();
    experts_forward<Element>(linear, on_x.data(), counts, ups.data(), downs.data(), u.data(), a.data(), y.data(), s,
                             stream);
    experts_dgrad<Element>(linear, on_dy.data(), u.data(), counts, ups.data(), downs.data(), du.data(), dx.data(), s,
                           stream);
    experts_wgrad<Element>(linear, on_dy.data(), du.data(), on_x.data(), a.data(), counts,
                           matrices(dup.data(), s, rows_per_slot).data(),
                           matrices(ddown.data(), s, rows_per_slot).data(), s, stream);
    expect_stored(u.values(), u64, tolerance, "u");
    expect_stored(a.values(), a64, tolerance, "a");
    expect_stored(y.values(), y64, tolerance, "y");
    expect_stored(du.values(), du64, tolerance, "du");
    expect_stored(dx.values(), dx64, tolerance, "dx");
    expect_stored(dup.values(), dup64, tolerance, "dup");
    expect_stored(ddown.values(), ddown64, tolerance, "ddown");
  }
};
TYPED_TEST_SUITE(ExpertsOnCuda, Elements);

TYPED_TEST(ExpertsOnCuda, AgreeWithTheReference) {
  const double tolerance = sizeof(TypeParam) == sizeof(float) ? 5e-6 : 2e-2;
  this->compare({3, 32, 64}, {16, 16, 16}, tolerance);
  this->compare({4, 19, 45}, {0, 37, 0, 5}, tolerance);  // empty experts, odd widths
  this->compare({3, 24, 40}, {0, 600, 0}, tolerance);    // all rows to one
  this->compare({1, 16, 24}, {9}, tolerance);
  this->compare({2, 8, 8}, {0, 0}, tolerance);  // nothing arrived
}

}  // namespace
}  // namespace moesaic::executor::cuda
