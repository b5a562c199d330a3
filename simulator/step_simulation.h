#pragma once
// Runs the task graph in simulated time: activities are made when they can start, never in advance. It decides nothing
// and prices nothing; it knows when tasks may start, and the engine knows how long they share what they use.

#include <memory>
#include <span>
#include <vector>

#include "simulator/activity_engine.h"
#include "simulator/meeting_table.h"
#include "simulator/memory_tracker.h"
#include "simulator/polled_cores.h"
#include "simulator/rank_classes.h"
#include "simulator/step_program.h"
#include "simulator/task_prices.h"
#include "simulator/transfer_table.h"

namespace moesaic::simulator {

/// What a step is made of; all must outlive its simulation. programs: [pipeline stages].
struct StepParts {
  const TaskGraph& graph;
  const Platform& platform;
  const std::vector<StepProgram>& programs;
  const RankEvidence& evidence;
  const RankClasses& classes;
  CollectiveTable& collectives;
  const TransferTable& transfers;
  TaskPrices& prices;
  MemoryTracker& memory;  // is told of every start and end
};

/// One step, run once: of each class of ranks the representative.
class StepSimulation {
 public:
  StepSimulation(std::unique_ptr<ActivityEngine> engine, const StepParts& parts, Fusion fusion);

  /// InvariantError where tasks remain that nothing can start any more.
  void run();

  /// Of the tasks that a class runs, in program order.
  std::span<const TaskTime> times(int of_class) const {
    return {times_.data() + first_[static_cast<size_t>(of_class)],
            times_.data() + first_[static_cast<size_t>(of_class) + 1]};
  }
  /// Where the times of each class begin among those of all, and where they end: [classes + 1].
  std::span<const size_t> first_times() const { return first_; }
  /// Of all classes, one after the other; to be taken once.
  std::vector<TaskTime> take_times() { return std::move(times_); }
  /// Of all ranks: those that stand for others count as often.
  int64_t activities() const { return activities_; }

 private:
  using Local = StepProgram::Local;
  /// A task of a class: the class in the upper 32 bits, the position among the tasks of its stage below.
  using Instance = uint64_t;
  static Instance instance(int of_class, Local task) {
    return static_cast<Instance>(of_class) << 32 | static_cast<Instance>(task);
  }
  static int class_of(Instance task) { return static_cast<int>(task >> 32); }
  static Local local(Instance task) { return static_cast<Local>(task & 0xFFFFFFFF); }

  struct OfClass {
    const StepProgram* program = nullptr;
    int rank = 0;                      // the representative
    int size = 1;                      // ranks that it stands for
    int communicating = 0;             // collectives whose flows are under way
    std::vector<ComputePrice> prices;  // [kinds of compute tasks]
    // The chain on the core, whose engine knows the end of its last task only.
    Local in_chain = -1;     // the task that runs; -1: no chain does
    Seconds left = 0;        // of its work,
    Seconds left_since = 0;  // at this time
  };
  size_t at(Instance task) const {
    return first_[static_cast<size_t>(class_of(task))] + static_cast<size_t>(local(task));
  }
  void start_ready();
  void start(Instance task);
  Seconds seconds_of(int32_t kind, OfClass& own) {
    ComputePrice& known = own.prices[static_cast<size_t>(kind)];
    if (known.seconds < 0) known = parts_.prices.compute(kind, own.rank);
    return known.seconds;
  }
  void count(int32_t kind, const OfClass& own);
  void compute(Instance task, OfClass& own, int32_t kind);
  Seconds chain_seconds(Local task, OfClass& own);
  void pass_chain(int of_class, Seconds until);
  void end_chain(int of_class);
  void finish(Instance task);
  void completed(ActivityEngine::Tag tag);
  void move(Instance task, TaskIndex index, OfClass& own);
  void arrive(TaskIndex index, int of_class);
  void launch(TaskIndex index, int group_class, const Meeting& meeting);
  void open_flows(TaskIndex index, const Meeting& meeting);
  void communicates(int of_class, int more);
  void check_all_finished() const;

  const StepParts parts_;
  const TaskGraph& graph_;
  std::unique_ptr<ActivityEngine> engine_;
  PolledCores cores_;
  const bool polled_;      // lanes share the core
  const bool interferes_;  // collectives slow compute down
  const bool fused_;
  MeetingTable meetings_;
  std::vector<OfClass> classes_;
  std::vector<size_t> first_;     // [classes + 1]: in the two below
  std::vector<int32_t> waiting_;  // predecessors left before the start, then activities left before the end
  std::vector<TaskTime> times_;
  OfTasks<int32_t> first_arrived_;  // in arrived_, [classes of groups] of the task's communicator; -1: no collective
  std::vector<int32_t> arrived_;    // classes
  std::vector<Instance> ready_;     // a work list, so that chains of tasks without work need no recursion
  size_t finished_ = 0;
  int64_t activities_ = 0;
};

}  // namespace moesaic::simulator
