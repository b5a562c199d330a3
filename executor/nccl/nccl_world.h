#pragma once
// All ranks of a run as NCCL knows them: how they find each other, the groups of a graph, and their common end. This
// header needs neither nccl.h nor a CUDA header.

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "executor/backend/backend.h"
#include "executor/comm/communicator.h"
#include "executor/comm/device_group.h"

struct CUstream_st;
struct ncclComm;

namespace moesaic::executor {

class NcclCommunicators;
struct NcclApi;

struct NcclPlace {
  CUstream_st* network_stream = nullptr;  // of the backend's network lane
  std::string device;                     // device_identity.h: equal only where the GPU is the same
  Seconds time_limit = 120;               // of every operation, this rank's wait for the device included; 0: none
};

class NcclWorld {
 public:
  /// Collective over `control`, a communicator of all ranks on host memory, whose operations nobody else starts. The
  /// device of `backend` is the calling thread's current one. Throws InputError where ranks share a GPU that NCCL will
  /// not let them share, DeviceError where the library is missing or the ranks do not come together within the time
  /// limit.
  NcclWorld(Communicator& control, Backend& backend, NcclPlace place);
  /// With another table than nccl(), which must outlive it.
  NcclWorld(const NcclApi& api, Communicator& control, Backend& backend, NcclPlace place);
  /// Ends together with the other ranks, unless it is unwound by an exception: then it aborts.
  ~NcclWorld();

  /// One group for each of these communicators, in their order and of their members. Collective: all ranks of the run
  /// ask for as many, and every rank is in one of the groups that together make a family. Families with the same groups
  /// share a NCCL communicator. The world must outlive the groups.
  std::vector<std::unique_ptr<DeviceGroup>> groups(std::span<const std::unique_ptr<Communicator>> families);

  /// Ends what NCCL runs on the device, so that a rank which cannot go on does not hang; every later call and poll
  /// throws DeviceError with the first reason. Only the first call does anything.
  void abort(const std::string& reason);

 private:
  std::unique_ptr<DeviceGroup> group(const Communicator& family);

  Communicator& control_;
  Backend& backend_;
  NcclPlace place_;
  std::unique_ptr<NcclCommunicators> communicators_;
  std::map<std::vector<int>, ncclComm*> by_colours_;  // [ranks]: the lowest rank of each one's group
  int64_t sequence_ = 0;                              // of control_
};

}  // namespace moesaic::executor
