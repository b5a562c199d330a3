#include "executor/cuda/experts.h"

#include <numeric>

#include "executor/reference/experts.h"
#include "executor/reference/gelu.h"
#include "executor/reference/linear.h"
#include "executor/reference/swiglu.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

template <typename Element>
class ExpertsOnCuda : public CudaTest {
 protected:
  /// Pointers to the slots' matrices of h times `width` in one array, the first slot's last as a window may hold them;
  /// empty ones null.
  template <typename T>
  static std::vector<T*> matrices(T* all, const ExpertsShape& s, int64_t width,
                                  const std::vector<int64_t>& rows_per_slot) {
    std::vector<T*> pointers;
    for (int64_t slot = 0; slot < s.slots; ++slot)
      pointers.push_back(rows_per_slot[static_cast<size_t>(slot)] == 0 ? nullptr
                                                                       : all + (s.slots - 1 - slot) * s.h * width);
    return pointers;
  }

  using Values = std::vector<Element>;
  struct Inputs {
    Values x, dy, up, down;
  };
  struct Results {
    Values u, a, y, du, dx, dup, ddown;
  };

  Results run(const ExpertsShape& s, const std::vector<int64_t>& rows_per_slot, const Inputs& in) {
    using Array = DeviceArray<Element>;
    const int64_t* counts = rows_per_slot.data();
    const auto rows = static_cast<int64_t>(in.x.size()) / s.h;
    const Array x(*backend, in.x), dy(*backend, in.dy), up(*backend, in.up), down(*backend, in.down);
    const Values nothing_up = poisoned_elements<Element>(rows * s.up_width()),
                 nothing_f = poisoned_elements<Element>(rows * s.f), nothing_h = poisoned_elements<Element>(rows * s.h);
    const Array u(*backend, nothing_up), a(*backend, nothing_f), du(*backend, nothing_up), y(*backend, nothing_h),
        dx(*backend, nothing_h), dup(*backend, in.up), ddown(*backend, in.down);
    const auto ups = matrices<const Element>(up.data(), s, s.up_width(), rows_per_slot),
               downs = matrices<const Element>(down.data(), s, s.f, rows_per_slot);
    Linear& linear = backend->linear();
    experts_forward<Element>(linear, x.data(), counts, ups.data(), downs.data(), u.data(), a.data(), y.data(), s,
                             stream);
    experts_dgrad<Element>(linear, dy.data(), u.data(), counts, ups.data(), downs.data(), du.data(), dx.data(), s,
                           stream);
    experts_wgrad<Element>(linear, dy.data(), du.data(), x.data(), a.data(), counts,
                           matrices(dup.data(), s, s.up_width(), rows_per_slot).data(),
                           matrices(ddown.data(), s, s.f, rows_per_slot).data(), s, stream);
    return {u.values(), a.values(), y.values(), du.values(), dx.values(), dup.values(), ddown.values()};
  }

  /// Each product and each activation in double from what the device stored before it, so that no rounding but its own
  /// hides an error. A gradient before the activation is rounded on its way: two for du.
  void compare(const ExpertsShape& s, const std::vector<int64_t>& rows_per_slot, double tolerance) {
    SCOPED_TRACE(::testing::Message() << s.slots << " slots, " << s.h << " x " << s.f << (s.gated ? ", gated" : ""));
    const int64_t rows = std::accumulate(rows_per_slot.begin(), rows_per_slot.end(), int64_t{0});
    const Inputs in{random_elements<Element>(rows * s.h, 1), random_elements<Element>(rows * s.h, 2),
                    random_elements<Element>(s.slots * s.up_width() * s.h, 3),
                    random_elements<Element>(s.slots * s.h * s.f, 4)};
    const Results found = run(s, rows_per_slot, in);
    const Doubles x = to_double(in.x), dy = to_double(in.dy), up = to_double(in.up), down = to_double(in.down);
    const Doubles u = to_double(found.u), a = to_double(found.a), du = to_double(found.du);
    Doubles u64(u.size()), a64(a.size()), da64(a.size()), du64(u.size()), y64(x.size()), dx64(x.size());
    Doubles dup64 = up, ddown64 = down;
    const std::vector<int64_t> full(rows_per_slot.size(), 1);  // the reference also reads empty slots
    const auto ups = matrices(up.data(), s, s.up_width(), full), downs = matrices(down.data(), s, s.f, full);
    for (size_t slot = 0, h = 0, f = 0, w = 0; slot < full.size(); ++slot) {
      const int64_t n = rows_per_slot[slot];
      reference::linear_forward(x.data() + h, ups[slot], u64.data() + w, n, s.up_width(), s.h);
      reference::linear_forward(a.data() + f, downs[slot], y64.data() + h, n, s.h, s.f);
      reference::linear_dgrad(dy.data() + h, downs[slot], da64.data() + f, n, s.h, s.f);
      reference::linear_dgrad(du.data() + w, ups[slot], dx64.data() + h, n, s.up_width(), s.h);
      h += static_cast<size_t>(n * s.h), f += static_cast<size_t>(n * s.f);
      w += static_cast<size_t>(n * s.up_width());
    }
    if (s.gated) {
      reference::swiglu_forward(u.data(), a64.data(), rows, s.f);
      reference::swiglu_backward(da64.data(), u.data(), du64.data(), rows, s.f);
    } else {
      reference::gelu_forward(u.data(), a64.data(), rows * s.f);
      reference::gelu_backward(da64.data(), u.data(), du64.data(), rows * s.f);
    }
    reference::experts_wgrad(dy.data(), du.data(), x.data(), a.data(), rows_per_slot.data(),
                             matrices(dup64.data(), s, s.up_width(), full).data(),
                             matrices(ddown64.data(), s, s.f, full).data(), {s.slots, s.h, s.f, s.gated});
    expect_stored(found.u, u64, tolerance, "u");
    expect_stored(found.a, a64, tolerance, "a");
    expect_stored(found.y, y64, tolerance, "y");
    expect_stored(found.du, du64, tolerance, "du", 2);
    expect_stored(found.dx, dx64, tolerance, "dx");
    expect_stored(found.dup, dup64, tolerance, "dup");
    expect_stored(found.ddown, ddown64, tolerance, "ddown");
  }
};
TYPED_TEST_SUITE(ExpertsOnCuda, Elements);

TYPED_TEST(ExpertsOnCuda, AgreeWithTheReference) {
  // Sums of at most 600 products, as in linear_test.cpp: in f32, and by the truncating adders of tensor cores.
  const double tolerance = sizeof(TypeParam) == sizeof(float) ? 2e-6 : 2e-5;
  this->compare({3, 32, 64}, {16, 16, 16}, tolerance);
  this->compare({4, 19, 45}, {0, 37, 0, 5}, tolerance);  // empty experts, odd widths
  this->compare({3, 24, 40}, {0, 600, 0}, tolerance);    // all rows to one
  this->compare({1, 16, 24}, {9}, tolerance);
  this->compare({2, 8, 8}, {0, 0}, tolerance);  // nothing arrived
  this->compare({3, 32, 64, true}, {16, 16, 16}, tolerance);
  this->compare({4, 19, 45, true}, {0, 37, 0, 5}, tolerance);
}

}  // namespace
}  // namespace moesaic::executor::cuda
