#pragma once
// What a communicator is called with for each collective of a task graph, in host memory and between devices. Sizes
// come from the rows per slot, which all members know. It chooses no communicator.

#include <memory>

#include "executor/backend/backend.h"
#include "executor/comm/communicator.h"
#include "executor/comm/device_group.h"

namespace moesaic::executor {

struct CollectiveCalls {
  Op op;
  std::unique_ptr<Operation> (*on_host)(const Launch& launch, Communicator& communicator, int64_t sequence);
  std::unique_ptr<Operation> (*on_devices)(const Launch& launch, DeviceGroup& group);
};

/// Throws InvariantError for what is no collective.
const CollectiveCalls& calls_of(Op op);

}  // namespace moesaic::executor
