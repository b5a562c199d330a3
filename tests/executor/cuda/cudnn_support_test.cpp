// Whether cuDNN has engines for our attention graphs on an H200, asked without one: properties of the device as JSON,
// and where there is no driver the toolkit's stub of it. What comes back is compiled up to the loading of the kernel.
#include <gtest/gtest.h>

#ifdef MOESAIC_HAVE_CUDNN

#include <dlfcn.h>

#include "core/schema/error.h"
#include "executor/cuda/attention_graph.h"
#include "executor/cuda/attention_parts.h"

namespace moesaic::executor::cuda {
namespace {

// An H200 SXM: NVIDIA Hopper tuning guide and CUDA programming guide (compute capability 9.0), data sheet (clocks,
// HBM).
constexpr const char* kH200 = R"({"deviceVer": 900, "driverVer": 13000, "cudaDeviceId": 0, "deviceName": "NVIDIA H200",
  "totalGlobalMem": 150000000000, "l2CacheSize": 62914560, "multiProcessorCount": 132, "warpSize": 32,
  "maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64], "maxThreadsPerBlock": 1024,
  "maxThreadsPerSM": 2048, "maxCtasPerSM": 32, "regsPerBlock": 65536, "maxRegistersPerSM": 65536,
  "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448, "reservedSharedMemoryPerBlock": 1024,
  "smClockRateKHz": 1980000, "memClockRateKHz": 3201000, "pciDeviceId": 9013, "isTccDriver": 0, "supportCoopLaunch": 1})";

class CudnnSupport : public ::testing::Test {
 protected:
  void SetUp() override {
    // cuDNN asks for libcuda.so.1 by name; a library of that name that is loaded already is the one that it gets.
    if (dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL) == nullptr &&
        dlopen(MOESAIC_CUDA_STUB, RTLD_NOW | RTLD_GLOBAL) == nullptr)
      GTEST_SKIP() << "neither a CUDA driver nor its stub: " << dlerror();
    device = device_properties(std::string(kH200));
  }

  /// Engine configurations on offer; the first, which the executor would take, compiles. Only loading may fail, for
  /// there may be no H200.
  size_t plans(const AttentionGraph& graph) const {
    const std::vector<Descriptor> configs = graph.graph.engine_configs(device);
    if (configs.empty()) return 0;
    try {
      EXPECT_TRUE(CudnnPlan::make(configs.front(), device).has_value());
    } catch (const DeviceError& error) {
      EXPECT_NE(std::string(error.what()).find("cuLibraryLoadData"), std::string::npos) << error.what();
    }
    return configs.size();
  }

  Descriptor device;
};

struct SupportCase {
  int64_t head_dim, seq, batch;
};

class CudnnAttentionSupport : public CudnnSupport, public ::testing::WithParamInterface<SupportCase> {};

TEST_P(CudnnAttentionSupport, HasPlansInBothDirections) {
  const auto [head_dim, seq, batch] = GetParam();
  const AttentionShape whole{batch, seq, 32, 8, head_dim};
  const AttentionShape part = backward_part(whole, Bytes{1} << 30);
  const size_t forward = plans(forward_graph({whole, whole})), backward = plans(backward_graph({part, whole}));
  RecordProperty("plans", std::to_string(forward) + " forward, " + std::to_string(backward) + " backward");
  EXPECT_GE(forward, 1u);
  EXPECT_GE(backward, 1u);
}

INSTANTIATE_TEST_SUITE_P(, CudnnAttentionSupport,
                         ::testing::Values(SupportCase{128, 128, 1}, SupportCase{128, 1024, 4},
                                           SupportCase{128, 4096, 2}, SupportCase{64, 128, 4}, SupportCase{64, 1000, 3},
                                           SupportCase{64, 4096, 2}),
                         [](const auto& instance) {
                           const SupportCase& c = instance.param;
                           return "d" + std::to_string(c.head_dim) + "_s" + std::to_string(c.seq) + "_b" +
                                  std::to_string(c.batch);
                         });

// Heads of 4 elements have 8 bytes, less than the 16 that the engines load at once.
TEST_F(CudnnSupport, RefusesSmallHeads) {
  const AttentionShape shape{2, 7, 2, 1, 4};
  EXPECT_TRUE(forward_graph({shape, shape}).graph.engine_configs(device).empty());
}

}  // namespace
}  // namespace moesaic::executor::cuda

#else

TEST(CudnnSupport, OfAnH200) { GTEST_SKIP() << "built without cuDNN"; }

#endif
