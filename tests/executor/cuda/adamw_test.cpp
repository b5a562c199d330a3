#include "executor/cuda/adamw.h"

#include "executor/reference/adamw.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

class AdamWOnCuda : public CudaTest {
 protected:
  static Doubles joined(const std::vector<Doubles>& parts) {
    Doubles all;
    for (const Doubles& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
  }

  /// Three steps of parameters with these sizes, every third without decay; moments side by side as in the graph.
  void compare(const std::vector<int64_t>& sizes) {
    std::vector<std::unique_ptr<DeviceFloats>> arrays;
    std::vector<AdamWParameter> parameters;
    std::vector<Doubles> w64, m64, v64;
    for (size_t i = 0; i < sizes.size(); ++i) {
      const Floats w = random_floats(sizes[i], i);
      for (const Floats& values : {w, Floats(w.size(), 0.0f), Floats(2 * w.size(), 0.0f)})
        arrays.push_back(std::make_unique<DeviceFloats>(*backend, values));
      float* moments = arrays[3 * i + 2]->data();
      parameters.push_back(
          {arrays[3 * i]->data(), arrays[3 * i + 1]->data(), moments, moments + sizes[i], sizes[i], i % 3 != 0});
      w64.push_back(to_double(w)), m64.emplace_back(w.size()), v64.emplace_back(w.size());
    }
    for (int64_t step = 1; step <= 3; ++step) {
      for (size_t i = 0; i < sizes.size(); ++i) {
        const Floats g = random_floats(sizes[i], 100 * i + static_cast<uint64_t>(step), 0.1);
        backend->copy(Lane::compute, parameters[i].g, g.data(), sizes[i] * 4);
        reference::adamw_update(w64[i].data(), to_double(g).data(), m64[i].data(), v64[i].data(), sizes[i], {}, step,
                                i % 3 != 0);
      }
      adamw_update(parameters, {}, step, stream);
      backend->synchronize();
    }
    // All parameters in one comparison: a moment that nearly cancels has no relative accuracy of its own.
    Floats w, m, v;
    for (size_t i = 0; i < sizes.size(); ++i) {
      const Floats weights = arrays[3 * i]->values(), moments = arrays[3 * i + 2]->values();
      w.insert(w.end(), weights.begin(), weights.end());
      m.insert(m.end(), moments.begin(), moments.begin() + sizes[i]);
      v.insert(v.end(), moments.begin() + sizes[i], moments.end());
      EXPECT_EQ(arrays[3 * i + 1]->values(), Floats(weights.size(), 0.0f)) << "gradients are cleared";
    }
    expect_close(w, joined(w64), 1e-6, "w");
    expect_close(m, joined(m64), 1e-6, "m");
    expect_close(v, joined(v64), 1e-6, "v");
  }
};

// A block covers 4096 elements; counts that 4 does not divide leave the second moments unaligned.
TEST_F(AdamWOnCuda, AgreesWithTheReferenceOverABucket) { compare({4096, 1, 4097, 8192, 3, 4095, 100'004, 10'001}); }

TEST_F(AdamWOnCuda, TakesMoreParametersThanOneLaunchHolds) { compare(std::vector<int64_t>(1100, 2)); }

TEST_F(AdamWOnCuda, PassesOverEmptyParameters) { compare({0, 5, 0, 0, 8, 0}); }

}  // namespace
}  // namespace moesaic::executor::cuda
