#include "executor/cuda/experts.h"

#include <numeric>

#include "executor/reference/experts.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

class ExpertsOnCuda : public CudaTest {
 protected:
  template <typename T>
  static std::vector<T*> matrices(std::vector<std::remove_const_t<T>>& all, const ExpertsShape& s) {
    std::vector<T*> pointers;
    for (int64_t slot = 0; slot < s.slots; ++slot) pointers.push_back(all.data() + slot * s.h * s.f);
    return pointers;
  }

  void compare(const ExpertsShape& s, const std::vector<int64_t>& rows_per_slot, Precision precision,
               double tolerance) {
    SCOPED_TRACE(testing::Message() << s.slots << " slots, " << s.h << " x " << s.f);
    const int64_t rows = std::accumulate(rows_per_slot.begin(), rows_per_slot.end(), int64_t{0});
    const Floats x = random_floats(rows * s.h, 1), dy = random_floats(rows * s.h, 2);
    const Floats up = random_floats(s.slots * s.f * s.h, 3), down = random_floats(s.slots * s.h * s.f, 4);
    Doubles up64 = to_double(up), down64 = to_double(down), dup64 = up64, ddown64 = down64;
    Doubles u64(static_cast<size_t>(rows * s.f)), a64 = u64, du64 = u64, y64(x.size()), dx64(x.size());
    const reference::ExpertsShape r{s.slots, s.h, s.f};
    const auto ups = matrices<const double>(up64, s), downs = matrices<const double>(down64, s);
    const int64_t* counts = rows_per_slot.data();
    const Doubles x64 = to_double(x), dy64 = to_double(dy);
    reference::experts_forward(x64.data(), counts, ups.data(), downs.data(), u64.data(), a64.data(), y64.data(), r);
    reference::experts_dgrad(dy64.data(), u64.data(), counts, ups.data(), downs.data(), du64.data(), dx64.data(), r);
    reference::experts_wgrad(dy64.data(), du64.data(), x64.data(), a64.data(), counts,
                             matrices<double>(dup64, s).data(), matrices<double>(ddown64, s).data(), r);

    const DeviceFloats on_x(*backend, x), on_dy(*backend, dy), on_up(*backend, up), on_down(*backend, down);
    const DeviceFloats u(*backend, poisoned(rows * s.f)), a(*backend, poisoned(rows * s.f));
    const DeviceFloats du(*backend, poisoned(rows * s.f)), y(*backend, poisoned(rows * s.h));
    const DeviceFloats dx(*backend, poisoned(rows * s.h)), dup(*backend, up), ddown(*backend, down);
    Linear& linear = backend->linear();
    experts_forward(linear, on_x.data(), counts, on_up.data(), on_down.data(), u.data(), a.data(), y.data(), s,
                    precision, stream);
    experts_dgrad(linear, on_dy.data(), u.data(), counts, on_up.data(), on_down.data(), du.data(), dx.data(), s,
                  precision, stream);
    experts_wgrad(linear, on_dy.data(), du.data(), on_x.data(), a.data(), counts, dup.data(), ddown.data(), s,
                  precision, stream);
    expect_close(u.values(), u64, tolerance, "u");
    expect_close(a.values(), a64, tolerance, "a");
    expect_close(y.values(), y64, tolerance, "y");
    expect_close(du.values(), du64, tolerance, "du");
    expect_close(dx.values(), dx64, tolerance, "dx");
    expect_close(dup.values(), dup64, tolerance, "dup");
    expect_close(ddown.values(), ddown64, tolerance, "ddown");
  }
};

// Tolerances as in the CPU room: bf16 is compared with unrounded operands.
TEST_F(ExpertsOnCuda, AgreeWithTheReference) {
  for (const auto& [precision, tolerance] : {std::pair{Precision::f32, 5e-6}, std::pair{Precision::bf16, 2e-2}}) {
    compare({3, 32, 64}, {16, 16, 16}, precision, tolerance);
    compare({4, 19, 45}, {0, 37, 0, 5}, precision, tolerance);  // empty experts, odd widths
    compare({3, 24, 40}, {0, 600, 0}, precision, tolerance);    // all rows to one
    compare({2, 8, 8}, {0, 0}, precision, tolerance);           // nothing arrived
  }
}

}  // namespace
}  // namespace moesaic::executor::cuda
