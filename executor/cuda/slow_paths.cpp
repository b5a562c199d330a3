#include "executor/cuda/slow_paths.h"

#include "executor/cuda/grouped_matmul_sm90.h"

namespace moesaic::executor::cuda {
namespace {

constexpr int kFusedCapability = 8;  // major; cuDNN's support matrix: fused attention in bf16 from 8.0 on

}  // namespace

BuiltWith built_with() {
  BuiltWith built;
#ifdef MOESAIC_HAVE_CUTLASS
  built.cutlass = true;
#endif
#ifdef MOESAIC_HAVE_CUDNN
  built.cudnn = true;
#endif
  return built;
}

std::vector<std::string> slow_paths(BuiltWith built, ComputeCapability device) {
  const std::string capability = std::to_string(device.major) + "." + std::to_string(device.minor);
  std::vector<std::string> paths;
  const auto add = [&](bool is_built, bool runs_here, const std::string& library, const std::string& instead) {
    if (!is_built) paths.push_back("built without " + library + ": " + instead);
    if (is_built && !runs_here)
      paths.push_back("no kernels of " + library + " for capability " + capability + ": " + instead);
  };
  add(built.cutlass, device.major == kGroupedCapability, "CUTLASS", "experts' products are a loop over cuBLASLt");
  add(built.cudnn, device.major >= kFusedCapability, "cuDNN", "attention runs on plain kernels");
  return paths;
}

}  // namespace moesaic::executor::cuda
