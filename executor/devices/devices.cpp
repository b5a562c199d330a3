#include "executor/devices/devices.h"

#include <cstdlib>

#include "core/schema/error.h"
#include "executor/cpu/cpu_backend.h"
#ifdef MOESAIC_HAVE_CUDA
#include "executor/cuda/cuda_backend.h"
#include "executor/cuda/slow_paths.h"
#endif
#ifdef MOESAIC_HAVE_NCCL
#include "executor/nccl/device_identity.h"
#include "executor/nccl/nccl_world.h"
#endif

namespace moesaic::executor {
namespace {

#ifdef MOESAIC_HAVE_CUDA
/// Page-locked host memory, taken at first use: fetches and drains of experts have whole windows in flight, other
/// copies a few messages.
constexpr Bytes kPinnedCap = Bytes{256} << 20, kPinnedCapForExperts = Bytes{8} << 30;

std::vector<std::string> slow_paths_of(int gpu) {
  return cuda::slow_paths(cuda::built_with(), cuda::compute_capability(gpu));
}
#endif

int num_gpus() {
#ifdef MOESAIC_HAVE_CUDA
  return cuda::device_count();
#else
  return 0;
#endif
}

/// The place of a rank among those of its node, and how many these are.
int rank_on_node(const Transport& transport, int& ranks_here) {
  int place = 0;
  ranks_here = 0;
  for (int rank = 0; rank < transport.size(); ++rank) {
    if (transport.node(rank) != transport.node(transport.rank())) continue;
    if (rank < transport.rank()) ++place;
    ++ranks_here;
  }
  return place;
}

}  // namespace

DeviceKind device_of(const Plan& plan) {
  return plan.cluster.device.lanes_share_core ? DeviceKind::cpu : DeviceKind::cuda;
}

void check_device(const Plan& plan, const std::string& file, CommunicatorKind communicator, int ranks_here) {
  const DeviceKind device = device_of(plan);
  if (device == DeviceKind::cuda && num_gpus() == 0) {
#ifdef MOESAIC_HAVE_CUDA
    const std::string missing = "this machine has no GPU that CUDA can use";
#else
    const std::string missing = "this executor was built without CUDA";
#endif
    throw InputError(file, "/documents/cluster/device",
                     "the plan is for '" + plan.cluster.device.name + "'; " + missing,
                     "a GPU and a build with -DMOESAIC_CUDA=ON, or a cluster of CPU ranks (lanes_share_core)",
                     "make the plan for a CPU cluster, for example --cluster cpu-2core");
  }
  // Whether that variable helps, NCCL's version decides (executor/nccl/own_devices.h).
  const bool may_share = std::getenv("NCCL_MULTI_RANK_GPU_ENABLE") != nullptr;
  (void)data_path({device, communicator, ranks_here, num_gpus(), may_share});
}

std::unique_ptr<Backend> make_backend(const Plan& plan, int rank_here) {
  if (device_of(plan) == DeviceKind::cpu) return std::make_unique<cpu::CpuBackend>();
#ifdef MOESAIC_HAVE_CUDA
  const Bytes pinned_cap = plan.expert_storage.home == Tier::device ? kPinnedCap : kPinnedCapForExperts;
  return std::make_unique<cuda::CudaBackend>(rank_here % num_gpus(), pinned_cap);
#else
  throw InvariantError(__FILE__, __LINE__, "device", "no GPU for rank " + std::to_string(rank_here));
#endif
}

std::vector<Gpu> gpus() {
  std::vector<Gpu> found;
#ifdef MOESAIC_HAVE_CUDA
  for (int device = 0; device < num_gpus(); ++device) {
    const cuda::CudaBackend backend(device);
    found.push_back({backend.device_name(), backend.memory_bytes(), slow_paths_of(device)});
  }
#endif
  return found;
}

std::vector<std::string> slow_paths([[maybe_unused]] const Plan& plan) {
#ifdef MOESAIC_HAVE_CUDA
  // A plan is wholly f32 or wholly bf16. The first GPU speaks for all: those of one machine are alike.
  if (device_of(plan) == DeviceKind::cuda && plan.workload.compute_dtype == DType::bf16) return slow_paths_of(0);
#endif
  return {};
}

#ifdef MOESAIC_HAVE_NCCL
struct RankDevice::Nccl {
  Nccl(cuda::CudaBackend& backend, Transport& transport)
      : control(transport, all_ranks(transport.size()), kControlId),
        world(control, backend,
              {backend.append_to(Lane::network), device_identity(backend.device()), NcclPlace{}.time_limit}) {}

  static std::vector<int> all_ranks(int size) {
    std::vector<int> ranks;
    for (int rank = 0; rank < size; ++rank) ranks.push_back(rank);
    return ranks;
  }
  static constexpr int kControlId = 65534;  // step graphs count theirs from 0, measurements take 65535

  Communicator control;
  NcclWorld world;
};
#else
struct RankDevice::Nccl {};
#endif

RankDevice::RankDevice(const Plan& plan, CommunicatorKind communicator, Transport& transport) {
  int ranks_here = 0;
  const int place = rank_on_node(transport, ranks_here);
  check_device(plan, plan.name, communicator, ranks_here);
  backend_ = make_backend(plan, place);
  if (communicator != CommunicatorKind::nccl) return;
#ifdef MOESAIC_HAVE_NCCL
  nccl_ = std::make_unique<Nccl>(static_cast<cuda::CudaBackend&>(*backend_), transport);
#else
  throw DeviceError("this executor was built without NCCL; use the communicator of the launcher");
#endif
}

RankDevice::~RankDevice() = default;

MakeDeviceGroups RankDevice::device_groups() {
#ifdef MOESAIC_HAVE_NCCL
  if (nccl_)
    return [this](std::span<const std::unique_ptr<Communicator>> families) { return nccl_->world.groups(families); };
#endif
  return {};
}

}  // namespace moesaic::executor
