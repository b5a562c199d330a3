#include "executor/cuda/adamw.h"

#include "executor/reference/adamw.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

constexpr float kScale = 0.625f;  // of gradients

void append(Floats& all, const Floats& part, int64_t first, int64_t count) {
  all.insert(all.end(), part.begin() + first, part.begin() + first + count);
}
void append(Doubles& all, const Doubles& part) { all.insert(all.end(), part.begin(), part.end()); }

/// One parameter on the device as a plan of the format keeps it, [m | v] or [m | v | master], and in double.
template <typename Element>
struct Trained {
  static constexpr bool kMaster = sizeof(Element) < sizeof(float);

  Trained(CudaBackend& backend, int64_t elements, uint64_t seed)
      : count(elements),
        initial(random_floats(count, seed)),
        w64(to_double(initial)),
        m64(w64.size()),
        v64(w64.size()),
        w(backend, as_elements<Element>(initial)),
        g(backend, poisoned_elements<Element>(count)),
        state(backend, initial_state()) {}

  Floats initial_state() const {
    Floats moments(2 * initial.size(), 0.0f);
    if (kMaster) append(moments, initial, 0, count);
    return moments;
  }
  AdamWParameter<Element> parameter(bool decay) const {
    float* m = state.data();
    float* master = m + 2 * count;
    if constexpr (!kMaster) master = w.data();
    return {w.data(), g.data(), m, m + count, master, count, decay};
  }

  int64_t count;
  Floats initial;
  Doubles w64, m64, v64;
  DeviceArray<Element> w, g;
  DeviceFloats state;
};

template <typename Element>
class AdamWOnCuda : public CudaTestOf<Element> {
 protected:
  /// Three steps of parameters with these sizes, every third without decay; moments side by side as in the graph.
  void compare(const std::vector<int64_t>& sizes) {
    std::vector<std::unique_ptr<Trained<Element>>> all;
    std::vector<AdamWParameter<Element>> parameters;
    for (size_t i = 0; i < sizes.size(); ++i) {
      all.push_back(std::make_unique<Trained<Element>>(*this->backend, sizes[i], i));
      parameters.push_back(all[i]->parameter(i % 3 != 0));
    }
    for (int64_t step = 1; step <= 3; ++step) {
      for (size_t i = 0; i < sizes.size(); ++i) {
        Trained<Element>& t = *all[i];
        const auto g = random_elements<Element>(t.count, 100 * i + static_cast<uint64_t>(step), 0.1);
        t.g.assign(g);
        reference::adamw_update(t.w64.data(), to_double(g).data(), t.m64.data(), t.v64.data(), t.count,
                                {.gradient_scale = kScale}, step, i % 3 != 0);
      }
      AdamW settings;
      settings.gradient_scale = kScale;
      adamw_update<Element>(parameters, settings, step, this->stream);
    }
    expect_trained(all);
  }

  /// All parameters in one comparison: a moment that nearly cancels has no relative accuracy of its own. A rounded
  /// weight is the master's nearest.
  void expect_trained(const std::vector<std::unique_ptr<Trained<Element>>>& all) {
    Floats w, m, v;
    Doubles w64, m64, v64;
    for (const auto& t : all) {
      const Floats state = t->state.values();
      append(m, state, 0, t->count), append(v, state, t->count, t->count);
      Floats master;
      if constexpr (Trained<Element>::kMaster)
        append(master, state, 2 * t->count, t->count);
      else
        master = t->w.values();
      EXPECT_EQ(t->w.values(), as_elements<Element>(master));
      EXPECT_EQ(t->g.values(), as_elements<Element>(Floats(master.size(), 0.0f))) << "gradients are cleared";
      append(w, master, 0, t->count);
      append(w64, t->w64), append(m64, t->m64), append(v64, t->v64);
    }
    expect_close(w, w64, 1e-6, "w");
    expect_close(m, m64, 1e-6, "m");
    expect_close(v, v64, 1e-6, "v");
  }
};
TYPED_TEST_SUITE(AdamWOnCuda, Elements);

// A block covers 4096 elements; counts that 4 does not divide leave the second moments unaligned.
TYPED_TEST(AdamWOnCuda, AgreesWithTheReferenceOverABucket) {
  this->compare({4096, 1, 4097, 8192, 3, 4095, 20'004, 10'001});
}

TYPED_TEST(AdamWOnCuda, TakesMoreParametersThanOneLaunchHolds) { this->compare(std::vector<int64_t>(1100, 2)); }

// Gradients in f32 that bf16 holds exactly: every bit is that of the update which reads bf16.
class WideGradients : public CudaTestOf<BFloat16> {};
TEST_F(WideGradients, GiveTheSameBits) {
  constexpr int64_t kCount = 4099;
  const auto g = random_elements<BFloat16>(kCount, 1, 0.1);
  Trained<BFloat16> narrow(*backend, kCount, 3), wide(*backend, kCount, 3);
  narrow.g.assign(g);
  Floats widened;
  for (const BFloat16 value : g) widened.push_back(to_float(value));
  const DeviceFloats wide_g(*backend, widened);
  const AdamWParameter<BFloat16> p = wide.parameter(true);
  const AdamWParameter<BFloat16, float> with_wide{p.w, wide_g.data(), p.m, p.v, p.master, p.count, p.decay};
  const AdamWParameter<BFloat16> with_narrow = narrow.parameter(true);
  adamw_update<BFloat16>({&with_narrow, 1}, {}, 1, stream);
  adamw_update<BFloat16, float>({&with_wide, 1}, {}, 1, stream);
  EXPECT_EQ(wide.w.values(), narrow.w.values());
  EXPECT_EQ(wide.state.values(), narrow.state.values());
  EXPECT_EQ(wide_g.values(), Floats(static_cast<size_t>(kCount), 0.0f));
}

TYPED_TEST(AdamWOnCuda, PassesOverEmptyParameters) { this->compare({0, 5, 0, 0, 8, 0}); }

}  // namespace
}  // namespace moesaic::executor::cuda
