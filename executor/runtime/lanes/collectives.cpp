#include "executor/runtime/lanes/collectives.h"

#include "executor/device_comm/staged_group.h"
#include "executor/runtime/lanes/collective_calls.h"

namespace moesaic::executor {

Collectives::Collectives(const TaskGraph& graph, Transport& transport, int rank, Backend& backend,
                         const MakeDeviceGroups& make_groups, int first)
    : per_step_(graph.communicators.size(), 0),
      staging_({[&backend](int64_t bytes) { return backend.allocate_host(bytes); },
                [&backend](void* data) { backend.release_host(data); }}) {
  for (size_t i = 0; i < graph.communicators.size(); ++i)
    communicators_.push_back(
        std::make_unique<Communicator>(transport, graph.group(static_cast<int>(i), rank), first + static_cast<int>(i)));
  std::vector<int> all;
  for (int r = 0; r < graph.num_ranks; ++r) all.push_back(r);
  control_ = std::make_unique<Communicator>(transport, all, first + numbers_of(graph) - 1);
  for (const Task& task : graph.tasks)
    if (task.communicator >= 0) ++per_step_[static_cast<size_t>(task.communicator)];
  if (backend.runs_inline()) return;
  if (make_groups) {
    groups_ = make_groups(communicators_);
    return;
  }
  for (const std::unique_ptr<Communicator>& communicator : communicators_)
    groups_.push_back(std::make_unique<StagedGroup>(*communicator, backend, staging_));
}

std::unique_ptr<Operation> Collectives::start(const Launch& launch) {
  const CollectiveCalls& calls = calls_of(launch.task.op);
  const auto family = static_cast<size_t>(launch.task.communicator);
  if (!groups_.empty()) return calls.on_devices(launch, *groups_[family]);
  const int64_t sequence = launch.context.run * per_step_[family] + launch.task.sequence;
  return calls.on_host(launch, *communicators_[family], sequence);
}

}  // namespace moesaic::executor
