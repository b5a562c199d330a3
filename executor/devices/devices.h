#pragma once
// The device that a plan is for, as this build and machine have it: a CPU core or a GPU, and the way data takes between
// ranks. It is the one place that knows which backends there are.

#include <memory>
#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "executor/backend/backend.h"
#include "executor/comm/legal_pairs.h"
#include "executor/comm/transport.h"
#include "executor/runtime/lanes/collectives.h"

namespace moesaic::executor {

/// Cores of a CPU where the plan's lanes share them, else a GPU.
DeviceKind device_of(const Plan& plan);

/// Throws InputError, naming the plan's `file`, where this build or machine lacks the device, or where it does not go
/// with the communicator. `ranks_here`: of the job, on this machine.
void check_device(const Plan& plan, const std::string& file, CommunicatorKind communicator, int ranks_here);

/// Of a plan that check_device lets pass; GPUs are dealt out in turn. To be called by the thread that will use it.
std::unique_ptr<Backend> make_backend(const Plan& plan, int rank_here);

/// A GPU of this machine, and what it computes more slowly in bf16 than it could, a sentence each: this build or the
/// device is without a library's kernels.
struct Gpu {
  std::string name;
  Bytes memory_bytes = 0;
  std::vector<std::string> slow_paths;
};
std::vector<Gpu> gpus();

/// Those of a GPU here that a plan meets; none in f32 or on a CPU. As check_device, the GPU must be there.
std::vector<std::string> slow_paths(const Plan& plan);

/// One rank that is a process of its own: its device, and what connects it with those of the other ranks.
class RankDevice {
 public:
  /// Collective. `transport` must outlive it.
  RankDevice(const Plan& plan, CommunicatorKind communicator, Transport& transport);
  ~RankDevice();
  RankDevice(const RankDevice&) = delete;
  RankDevice& operator=(const RankDevice&) = delete;

  Backend& backend() { return *backend_; }
  /// For TrainOptions::device_groups; this must outlive the run.
  MakeDeviceGroups device_groups();

 private:
  struct Nccl;

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Nccl> nccl_;  // null: host memory is the way
};

}  // namespace moesaic::executor
