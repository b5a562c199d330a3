#include "simulator/polled_cores.h"

#include <utility>

namespace moesaic::simulator {

void PolledCores::offer_collective(const std::vector<int>& ranks, const std::vector<Instance>& tasks, Seconds seconds) {
  const auto number = static_cast<int64_t>(collectives_.size());
  collectives_.push_back({ranks.size(), ranks, tasks});
  for (size_t i = 0; i < ranks.size(); ++i)
    cores_[static_cast<size_t>(ranks[i])].network.push_back({tasks[i], seconds, number});
}

std::vector<PolledCores::Instance> PolledCores::dispatch(ActivityEngine& engine) {
  std::vector<Instance> computing;
  for (size_t rank = 0; rank < cores_.size(); ++rank) {
    Core& core = cores_[rank];
    if (core.busy) continue;
    std::deque<Work>& queue = core.network.empty() ? core.compute : core.network;
    if (queue.empty()) continue;
    core.current = queue.front();
    queue.pop_front();
    core.busy = true;
    engine.compute(static_cast<ActivityEngine::Core>(rank), core.current.seconds, kTag | rank);
    if (core.current.collective < 0) computing.push_back(core.current.task);
  }
  return computing;
}

std::vector<PolledCores::Instance> PolledCores::work_ended(int rank) {
  Core& core = cores_[static_cast<size_t>(rank)];
  core.busy = false;
  std::vector<Instance> ended = std::exchange(core.to_notice, {});
  if (core.current.collective < 0) {
    ended.push_back(core.current.task);
    return ended;
  }
  Collective& collective = collectives_[static_cast<size_t>(core.current.collective)];
  if (--collective.left > 0) return ended;
  for (size_t i = 0; i < collective.ranks.size(); ++i) {
    Core& member = cores_[static_cast<size_t>(collective.ranks[i])];
    if (member.busy)
      member.to_notice.push_back(collective.tasks[i]);
    else
      ended.push_back(collective.tasks[i]);
  }
  return ended;
}

}  // namespace moesaic::simulator
