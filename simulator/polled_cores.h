#pragma once
// Ranks whose compute and communication share one core that does one thing at a time: a compute task runs to its end,
// then the network is served, then the next compute task starts. It decides the order on each core; the engine
// keeps the time.

#include <cstdint>
#include <deque>
#include <vector>

#include "simulator/activity_engine.h"

namespace moesaic::simulator {

class PolledCores {
 public:
  using Instance = uint64_t;  // of a task on a rank, as in StepSimulation
  /// With this bit a tag of the engine is a rank whose piece of work has ended.
  static constexpr ActivityEngine::Tag kTag = ActivityEngine::Tag{1} << 62;

  explicit PolledCores(int num_ranks) : cores_(static_cast<size_t>(num_ranks)) {}

  /// A compute task that may start as soon as the core is free.
  void offer_compute(int rank, Instance task, Seconds seconds) {
    cores_[static_cast<size_t>(rank)].compute.push_back({task, seconds, -1});
  }

  /// A collective whose members have all arrived: each member's core has `seconds` of copying to do. Members' task
  /// instances in member order.
  void offer_collective(const std::vector<int>& ranks, const std::vector<Instance>& tasks, Seconds seconds);

  /// Starts what can start on every idle core: copying before computing. Returns the compute tasks that it started.
  std::vector<Instance> dispatch(ActivityEngine& engine);

  /// The piece of work of `rank` has ended. Returns the tasks that end with it: a compute task at once; those of a
  /// collective when all members have copied, and on each member only once its core looks at the network again.
  std::vector<Instance> work_ended(int rank);

 private:
  struct Work {
    Instance task = 0;
    Seconds seconds = 0;
    int64_t collective = -1;  // -1: compute
  };
  struct Core {
    bool busy = false;
    Work current;
    std::deque<Work> network, compute;
    std::vector<Instance> to_notice;  // collectives that ended while the core was computing
  };
  struct Collective {
    size_t left = 0;  // members that have not copied yet
    std::vector<int> ranks;
    std::vector<Instance> tasks;
  };

  std::vector<Core> cores_;  // [ranks]
  std::vector<Collective> collectives_;
};

}  // namespace moesaic::simulator
