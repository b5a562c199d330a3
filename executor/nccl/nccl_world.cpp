#include "executor/nccl/nccl_world.h"

#include <cstdlib>
#include <cstring>
#include <thread>

#include "core/schema/error.h"
#include "executor/nccl/nccl_group.h"
#include "executor/nccl/own_devices.h"

namespace moesaic::executor {
namespace {

/// What a rank tells all others before NCCL can connect them.
struct Introduction {
  char device[120];
  int64_t shares_gpus;  // NCCL_MULTI_RANK_GPU_ENABLE
  ncclUniqueId id;      // rank 0's is the one that counts
};

bool shares_gpus() {
  const char* value = std::getenv("NCCL_MULTI_RANK_GPU_ENABLE");
  return value != nullptr && std::atoi(value) != 0;
}

void wait_within(Operation& operation, const NcclCommunicators& communicators) {
  const auto deadline = communicators.deadline();
  while (!operation.poll()) {
    if (NcclCommunicators::Clock::now() > deadline) {
      std::string missing;
      for (const int rank : operation.waiting_for()) missing += " " + std::to_string(rank);
      throw DeviceError("nccl: no word for " + communicators.time_limit_text() + " of ranks" + missing);
    }
    std::this_thread::yield();
  }
}

std::vector<Introduction> introduce(const NcclApi& api, Communicator& control, const std::string& device,
                                    const NcclCommunicators& communicators, int64_t sequence) {
  Introduction own{};
  MOESAIC_CHECK(device.size() < sizeof(own.device), "the identity of a device has less than 120 characters");
  std::memcpy(own.device, device.data(), device.size());
  own.shares_gpus = shares_gpus() ? 1 : 0;
  if (control.rank() == 0)
    if (const ncclResult_t result = api.get_unique_id(&own.id); result != ncclSuccess)
      throw DeviceError(std::string("nccl: unique id: ") + api.get_error_string(result));
  std::vector<Introduction> all(static_cast<size_t>(control.size()));
  wait_within(*control.all_gather(sequence, &own, sizeof own, all.data()), communicators);
  return all;
}

void compare_devices(const NcclApi& api, const std::vector<Introduction>& all) {
  std::vector<std::string> devices;
  bool sharing = true;
  for (const Introduction& rank : all) {
    devices.emplace_back(rank.device);
    sharing = sharing && rank.shares_gpus == 1;
  }
  int version = 0;
  (void)api.get_version(&version);
  require_own_devices(devices, version, sharing);
}

}  // namespace

NcclWorld::NcclWorld(Communicator& control, Backend& backend, NcclPlace place)
    : NcclWorld(nccl(), control, backend, std::move(place)) {}

NcclWorld::NcclWorld(const NcclApi& api, Communicator& control, Backend& backend, NcclPlace place)
    : control_(control),
      backend_(backend),
      place_(std::move(place)),
      communicators_(std::make_unique<NcclCommunicators>(api, place_.time_limit)) {
  const std::vector<Introduction> all = introduce(api, control, place_.device, *communicators_, sequence_++);
  compare_devices(api, all);
  const std::vector<int> one_group(all.size(), 0);
  by_colours_[one_group] = communicators_->create(control.size(), all[0].id, control.rank());
}

NcclWorld::~NcclWorld() = default;

std::vector<std::unique_ptr<DeviceGroup>> NcclWorld::groups(std::span<const std::unique_ptr<Communicator>> families) {
  std::vector<std::unique_ptr<DeviceGroup>> groups;
  for (const std::unique_ptr<Communicator>& family : families) groups.push_back(group(*family));
  return groups;
}

/// A rank knows its own group only; that two families have the same groups everywhere shows in all colours.
std::unique_ptr<DeviceGroup> NcclWorld::group(const Communicator& family) {
  const int me = control_.rank(), colour = family.transport_rank(0);
  std::vector<int> colours(static_cast<size_t>(control_.size()));
  wait_within(*control_.all_gather(sequence_++, &colour, sizeof colour, colours.data()), *communicators_);
  std::vector<int> members, expected;
  for (int member = 0; member < family.size(); ++member) expected.push_back(family.transport_rank(member));
  for (int rank = 0; rank < control_.size(); ++rank)
    if (colours[static_cast<size_t>(rank)] == colour) members.push_back(rank);
  MOESAIC_CHECK(members == expected, "the groups of a family are disjoint and hold every rank");
  ncclComm*& comm = by_colours_[colours];
  if (comm == nullptr) comm = communicators_->split(by_colours_.at(std::vector<int>(colours.size(), 0)), colour, me);
  return std::make_unique<NcclGroup>(*communicators_, comm, std::move(members), me, backend_, place_.network_stream);
}

void NcclWorld::abort(const std::string& reason) { communicators_->abort(reason); }

}  // namespace moesaic::executor
