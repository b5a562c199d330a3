// What a build says that it goes without; none of it needs a GPU.
#include "executor/cuda/slow_paths.h"

#include <gtest/gtest.h>

namespace moesaic::executor::cuda {
namespace {

using Sentences = std::vector<std::string>;

TEST(SlowPaths, NameWhatABuildIsWithout) {
  EXPECT_EQ(slow_paths({.cutlass = true, .cudnn = true}, {9, 0}), Sentences{});
  EXPECT_EQ(slow_paths({.cutlass = false, .cudnn = true}, {9, 0}),
            Sentences{"built without CUTLASS: experts' products are a loop over cuBLASLt"});
  EXPECT_EQ(slow_paths({.cutlass = true, .cudnn = false}, {9, 0}),
            Sentences{"built without cuDNN: attention runs on plain kernels"});
}

/// Code for sm_90a runs on 9.x only, neither on an A100 (8.0) nor on a B200 (10.0); a T4 is 7.5.
TEST(SlowPaths, NameWhatTheDeviceCannotUse) {
  const std::string experts = "experts' products are a loop over cuBLASLt";
  EXPECT_EQ(slow_paths({.cutlass = true, .cudnn = true}, {8, 0}),
            Sentences{"no kernels of CUTLASS for capability 8.0: " + experts});
  EXPECT_EQ(slow_paths({.cutlass = true, .cudnn = true}, {10, 0}),
            Sentences{"no kernels of CUTLASS for capability 10.0: " + experts});
  EXPECT_EQ(slow_paths({.cutlass = false, .cudnn = true}, {7, 5}),
            (Sentences{"built without CUTLASS: " + experts,
                       "no kernels of cuDNN for capability 7.5: attention runs on plain kernels"}));
}

}  // namespace
}  // namespace moesaic::executor::cuda
