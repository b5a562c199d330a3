#pragma once
// Starts the collective of a task on its communicator, or between devices on the group that stands for it.

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "executor/backend/backend.h"
#include "executor/comm/communicator.h"
#include "executor/comm/device_group.h"

namespace moesaic::executor {

/// Makes the device groups of a rank, one for each of these communicators, which have the same members and carry
/// nothing else. Called by all ranks.
using MakeDeviceGroups =
    std::function<std::vector<std::unique_ptr<DeviceGroup>>(std::span<const std::unique_ptr<Communicator>>)>;

class Collectives {
 public:
  /// One communicator per family of the graph, for the group of this rank. Where device memory is not the host's, its
  /// collectives go through device groups: those of `make_groups`, or, where that is empty, staged through host memory.
  /// It takes numbers_of(graph) numbers of communicators from `first` on.
  Collectives(const TaskGraph& graph, Transport& transport, int rank, Backend& backend,
              const MakeDeviceGroups& make_groups, int first = 0);
  static int numbers_of(const TaskGraph& graph) { return static_cast<int>(graph.communicators.size()) + 1; }

  std::unique_ptr<Operation> start(const Launch& launch);

  /// A communicator of all ranks outside the graph's order: step barriers and results.
  Communicator& control() { return *control_; }

 private:
  std::vector<std::unique_ptr<Communicator>> communicators_;  // [families]
  std::vector<int64_t> per_step_;                             // [families]: collectives in one step
  std::unique_ptr<Communicator> control_;
  BufferPool staging_;                                // outlives the groups
  std::vector<std::unique_ptr<DeviceGroup>> groups_;  // [families]; none where device memory is the host's
};

}  // namespace moesaic::executor
